"""Every fault of the campaign, in the order in which they are tried."""

from faults import answers, away, clocks, damage, disk_full, kills, races, release_kills


def everything():
    return [
        *kills.FAULTS,
        *disk_full.FAULTS,
        *away.faults(),
        *answers.FAULTS,
        *damage.FAULTS,
        *clocks.FAULTS,
        *races.FAULTS,
        races.CONTENTION,
        *release_kills.FAULTS,
    ]
