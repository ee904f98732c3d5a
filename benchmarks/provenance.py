"""When, where and with what the results were measured, as tables and sentences."""

from cells import NAMES, pivoted, sentence


def measured(found):
    """When each part was measured, with which version of the package, and how often."""
    cells = []
    for backend, result in found.items():
        for name, part in result["parts"].items():
            runs = f"{part['processes']} x {part['pairs']}"
            text = f"{part['measured']}, {part['versions']['keras_bce']}, {runs}"
            cells.append((name, NAMES[backend], text))
    return pivoted(sorted(cells, key=lambda cell: cell[0]), "date, version, processes x rounds")


def machines(found):
    """The versions of all packages, and the machines."""
    versions, names = {}, {}
    for result in found.values():
        for part in result["parts"].values():
            names[f"{part['machine']}, on the device `{part['device']}`"] = None
            for package, version in part["versions"].items():
                if package != "keras_bce":
                    name = {"keras": "Keras", **NAMES}[package]
                    versions[f"{name} {version.split('+')[0]}"] = None
    return sentence(f"Measured with {', '.join(versions)}; {'; '.join(names)}.")


def took(found):
    """How long it took to measure all parts."""
    texts = []
    for backend, result in found.items():
        parts = result["parts"].values()
        minutes = sum(part.get("took", 0) for part in parts) / 60
        texts.append(f"{minutes:.0f} minutes on {NAMES[backend]}")
    return f"To measure all parts took {', '.join(texts)}."
