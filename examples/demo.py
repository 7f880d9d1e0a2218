"""`make demo`: three releases of a house-price model, as a team would type them, a gateway, and how each ended."""

import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import people
from commands import ROOT, fresh, gateway, seatrial
from traffic import Traffic

STORE = ("--store", "demo/store")
FIRST = "The first model, a linear one: nothing serves yet, so it is held against guessing."
SECOND = "A challenger, gradient boosting: it must not be worse than what serves."
THIRD = "A challenger with a planted flaw: its training prices were sorted on their way."
RATE, BAD = 100, ("failed", "inconclusive", "errored")


def main() -> int:
    fresh(ROOT / "demo")
    began = time.monotonic()
    print("── Who may decide: people, their roles and their keys")
    people.known(ROOT / "demo", *STORE)
    if (first := release("release", FIRST)) is None:
        return 2
    print("\n── A gateway on this machine, and callers")
    houses = pd.read_parquet(Path(__file__).parent / "ames" / "houses.parquet")
    with gateway("demo/store", "ames-price") as url:
        ask(url, houses)
        if (second := release("challenger", SECOND)) is None:
            return 2
        with Traffic(url, "ames-price", houses, "Sale_Price", RATE) as callers, ThreadPoolExecutor(1) as beside:
            print("\n── Its rollout: shadow, 5 %, 25 %, 50 %, 100 % of the traffic; meanwhile")
            rolling = beside.submit(seatrial, "rollout", "ames-price", *STORE, "--every", "1", quiet=True)
            third = release("flawed", THIRD)
            rolled = rolling.result()[1]
    _, now = seatrial("status", "ames-price", *STORE)
    verified, _ = seatrial("verify", *STORE)
    if third is None:
        return 2
    timeline(rolled, callers)
    summary([(FIRST, first), (SECOND, second), (THIRD, third)], now, time.monotonic() - began)
    expected = [told["status"] for told in (first, second, third)] == ["waiting", "waiting", "stopped"]
    served = now["champion"] == second["release"] and not callers.counted["failed"]
    return 0 if expected and served and verified == 0 else 1


def release(spec: str, words: str) -> dict[str, Any] | None:
    """Releases and, where it waits for somebody, approves. None where the question could not be asked."""
    print(f"\n── {words}", flush=True)
    code, told = seatrial("release", f"examples/ames/{spec}.yaml", *STORE)
    if code == 2:
        return None
    if told["status"] == "waiting":
        people.approve(ROOT / "demo", "ames-price", *STORE)
    return told


def ask(url: str, houses: pd.DataFrame) -> None:
    """One house, and one that cannot be: what comes back."""
    known = json.loads(houses.head(1).drop(columns="Sale_Price").to_json(orient="records", date_format="iso"))[0]
    strange = {**known, "Gr_Liv_Area": 50_000, "Neighborhood": "Atlantis"}
    body = json.dumps({"records": [known, strange]}).encode()
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    connection.request("POST", "/v2/models/ames-price/records", body, {"content-type": "application/json"})
    answers = json.load(connection.getresponse())["answers"]
    for words, one in zip(("a house", "an odd one"), answers, strict=True):
        trust = "trusted" if one["trusted"] else f"not trusted: {', '.join(one['reasons'])}"
        low, high = one["interval"]
        print(f"  {words:<11} {one['prediction']:>9,.0f} dollars, {low:,.0f} to {high:,.0f}; {trust}", flush=True)


def timeline(rolled: dict[str, Any], callers: Traffic) -> None:
    """What happened in the rollout, and to those who asked meanwhile."""
    print("\n── The rollout")
    for line in rolled.get("timeline", []):
        print(f"  {line['time'][11:19]}  {line['why'][:110]}")
    counted = callers.counted
    print(
        f"  {rolled.get('status')}. Champion answered {counted['champion']:,}, challenger {counted['challenger']:,}; "
        f"without an answer: {counted['failed']}. Page: {rolled.get('page')}"
    )


def summary(ends: list[tuple[str, dict[str, Any]]], now: dict[str, Any], seconds: float) -> None:
    """What a person wants to know at the end."""
    status = {item["id"]: item["status"] for item in now["releases"]}
    print("\n" + "═" * 100)
    for words, told in ends:
        ended = f"verdict: {told['outcome']}, now: {status[told['release']]}"
        print(f"{words.split(':')[0]:<34} {told['release']}   {ended}")
        for finding in [f for f in told["findings"] if f["outcome"] in BAD][:5]:
            print(f"    ✗ {finding['step']}: {finding['expected']} — found {finding['found']}")
    print(
        f"\nServing: {now['champion']}. Everything signed and in its place. {seconds:.0f} s.\nDossiers, for a browser:"
    )
    for _, told in ends:
        print(f"    {told['dossier']}")
    print("═" * 100)


if __name__ == "__main__":
    sys.exit(main())
