"""Sets two result files of `run.py --save` side by side, and names what moved.

    python benchmarks/compare.py old.json new.json

A ratio has moved if its change is larger than the noise: the ranges over processes of both files,
or a tenth where a file holds a single process.
"""

import sys

from results import loaded

SINGLE_PROCESS_NOISE = 0.1


def noise(row, name):
    """Half the range of a ratio over processes, relative to it."""
    if "range" not in row:
        return SINGLE_PROCESS_NOISE
    low, high = row["range"][name]
    return (high - low) / 2 / row["ratios"][name]


def moved(old, new):
    """Lines `(part, case, contender, before, after, noise)`, for each ratio in both files."""
    for part, found in new["parts"].items():
        earlier_rows = old["parts"].get(part, {"rows": []})["rows"]
        before = {(row["case"], row["mode"]): row for row in earlier_rows}
        for row in found["rows"]:
            case = (row["case"], row["mode"])
            if case not in before:
                continue
            earlier = before[case]
            for name in sorted(row["ratios"].keys() & earlier["ratios"].keys()):
                total = noise(earlier, name) + noise(row, name)
                values = earlier["ratios"][name], row["ratios"][name]
                yield part, ", ".join(case), name, *values, total


def main(old_path, new_path):
    old, new = loaded(old_path), loaded(new_path)
    print("| part | case | time of | before | now | noise | |\n|---|---|---|---:|---:|---:|---|")
    for part, case, name, before, after, total in moved(old, new):
        change = after / before - 1
        word = "" if abs(change) <= total else ("faster" if change > 0 else "SLOWER")
        cells = (part, case, name, f"{before:.2f}", f"{after:.2f}", f"{total:.0%}", word)
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
