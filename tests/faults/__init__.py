"""The fault campaign: what goes wrong with a store, tried many times over, and what was lost by it: nothing.

One file per kind of fault. Each gives a list of `Fault`s; a fault plans trials on a ground (a directory, a bucket of a
real server); a trial does its work, lets the fault happen, and says what of all that was acknowledged is not there.

    make faults                       all of it, with a table; an exit code of 1 if anything was lost or not found
    tests/test_faults.py              a seeded few of each, in the tests
"""
