"""Writes a small report on the partitions whose paths a file lists: rows, files and bytes by day, as Markdown and as JSON.

    python3 tools/report.py PATHS OUTPUT PARTITION

Nothing but Python's standard library: rows come from the Parquet footers, which are read here by hand.
"""

import json
import os
import sys

STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)


class Thrift:
    """As much of Thrift's compact protocol as finding a number takes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def integer(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def fields(self):
        """Number and type of each field of a struct; whoever asks for the next one has read or skipped its value."""
        number = 0
        while (head := self.byte()) != STOP:
            number = number + (head >> 4) if head >> 4 else self.integer()
            yield number, head & 15

    def skip(self, kind):
        if kind in (BYTE,):
            self.at += 1
        elif kind in (I16, I32, I64):
            self.varint()
        elif kind == DOUBLE:
            self.at += 8
        elif kind == BINARY:
            length = self.varint()
            self.at += length
        elif kind in (LIST, SET):
            head = self.byte()
            count = head >> 4 if head >> 4 < 15 else self.varint()
            for _ in range(count):
                # Among elements a truth value has a byte of its own.
                self.skip(BYTE if head & 15 in (TRUE, FALSE) else head & 15)
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner)
        elif kind not in (TRUE, FALSE):
            raise ValueError(f"a footer with a value of type {kind}")


def rows_of(path):
    """The number of rows that a Parquet file's footer gives."""
    with open(path, "rb") as file:
        file.seek(-8, os.SEEK_END)
        tail = file.read(8)
        if tail[4:] != b"PAR1":
            raise ValueError(f"{path} is not a Parquet file")
        length = int.from_bytes(tail[:4], "little")
        file.seek(-8 - length, os.SEEK_END)
        footer = Thrift(file.read(length))
    for number, kind in footer.fields():
        if number == 3:
            return footer.integer()
        footer.skip(kind)
    raise ValueError(f"{path} does not say how many rows it has")


def partition(directory):
    """What one published partition holds. Files whose names begin with `_` or `.` are no data."""
    names = sorted(name for name in os.listdir(directory) if name.endswith(".parquet") and name[0] not in "_.")
    files = [os.path.join(directory, name) for name in names]
    return {
        "partition": directory.rstrip("/").split("dt=")[-1].replace("/hr=", "T"),
        "rows": sum(map(rows_of, files)),
        "files": len(files),
        "bytes": sum(map(os.path.getsize, files)),
    }


def markdown(key, days):
    lines = [f"# Training rows up to {key}", "", "| partition | rows | files | bytes |", "|---|---:|---:|---:|"]
    lines += ["| {partition} | {rows:,} | {files} | {bytes:,} |".format(**day) for day in days]
    total = sum(day["rows"] for day in days)
    return "\n".join(lines + ["", f"{total:,} rows in {len(days)} partitions.", ""])


def main(paths, output, key):
    with open(paths, encoding="utf-8") as file:
        days = [partition(line.rstrip("\n")) for line in file]
    with open(os.path.join(output, "report.md"), "w", encoding="utf-8") as file:
        file.write(markdown(key, days))
    with open(os.path.join(output, "report.json"), "w", encoding="utf-8") as file:
        json.dump(days, file, indent=2)
    # What is written here is shown with the partition: `daeda show dssm_ranking_report@…`.
    with open(os.environ["DAEDA_METADATA"], "a", encoding="utf-8") as file:
        print(json.dumps({"rows": sum(day["rows"] for day in days), "partitions": len(days)}), file=file)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
