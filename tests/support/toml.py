"""Writes the settings files of the tests: tables of scalars, lists, and lists of tables."""
from __future__ import annotations


def _value(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def dump(settings: dict[str, dict]) -> str:
    lines: list[str] = []
    for section, entries in settings.items():
        lines.append(f"[{section}]")
        tables = {}
        for key, value in entries.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                tables[key] = value
            else:
                lines.append(f"{key} = {_value(value)}")
        for key, items in tables.items():
            for item in items:
                lines.append(f"[[{section}.{key}]]")
                lines += [f"{name} = {_value(value)}" for name, value in item.items()]
    return "\n".join(lines) + "\n"


def merge(*parts: dict[str, dict] | None) -> dict[str, dict]:
    """Later sections' keys win; a key of None is left out."""
    merged: dict[str, dict] = {}
    for part in parts:
        for section, entries in (part or {}).items():
            merged.setdefault(section, {}).update(entries)
    return {section: {key: value for key, value in entries.items() if value is not None}
            for section, entries in merged.items()}
