"""The enrichment once more, in numpy, compared bit for bit with what daeda wrote.

    python enrich_numpy.py SKELETON_DIR ENRICHED_DIR EMBEDDINGS.lance

Looks `image_embedding` up by `artwork_id` and pools `like_artwork_avg_embeds` over `like_artwork_ids_7d`, as the example workspace does.
Shares nothing with daeda but its files. Exits 1 with the first difference.
"""

import sys
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

EMBEDDINGS = ("image_embedding", "like_artwork_avg_embeds")


def read_partition(directory):
    """The rows of a partition, in the order of its files' names."""
    files = sorted(path for path in Path(directory).glob("*.parquet") if not path.name.startswith("_"))
    return pa.concat_tables(pq.read_table(path) for path in files)


def read_vectors(path):
    """A float16 vector by id."""
    table = lance.dataset(path).to_table(columns=["artwork_id", "embedding"])
    vectors, missing = read_embeddings(table["embedding"])
    assert not missing.any(), "the dataset has null vectors"
    return dict(zip(table["artwork_id"].to_pylist(), vectors))


def read_embeddings(column):
    """A column of vectors as an array of float16 with a row for each vector, and which of the rows are null."""
    column = column.combine_chunks()
    assert pa.types.is_fixed_size_list(column.type) and column.type.value_type == pa.float16(), column.type
    missing = column.is_null().to_numpy(zero_copy_only=False)
    vectors = np.zeros((len(column), column.type.list_size), dtype=np.float16)
    vectors[~missing] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
    return vectors, missing


def look_up(artwork, vectors):
    return vectors.get(artwork)


def pool_mean(artworks, vectors):
    """The mean of the vectors there are, summed in float64 and rounded once; none of none."""
    found = [vectors[artwork].astype(np.float64) for artwork in artworks or [] if artwork in vectors]
    if not found:
        return None
    return (np.sum(found, axis=0, dtype=np.float64) / len(found)).astype(np.float16)


def differences(name, expected, column):
    """What differs between the expected vectors and a column, row by row."""
    vectors, missing = read_embeddings(column)
    for row, vector in enumerate(expected):
        if (vector is None) != missing[row]:
            yield f"{name}, row {row}: {'null' if vector is None else 'a vector'} expected, {'null' if missing[row] else 'a vector'} found"
        elif vector is not None and not np.array_equal(vector.view(np.uint16), vectors[row].view(np.uint16)):
            place = np.flatnonzero(vector.view(np.uint16) != vectors[row].view(np.uint16))[0]
            yield f"{name}, row {row}, element {place}: {vector[place]} expected, {vectors[row][place]} found"


def compare(skeleton, enriched, vectors):
    if skeleton.num_rows != enriched.num_rows:
        yield f"the skeleton has {skeleton.num_rows} rows, the enriched partition {enriched.num_rows}"
        return
    for name in enriched.column_names:
        if name not in EMBEDDINGS and not enriched[name].equals(skeleton[name]):
            yield f"{name} differs from the skeleton's"
    looked_up = [look_up(artwork, vectors) for artwork in skeleton["artwork_id"].to_pylist()]
    yield from differences("image_embedding", looked_up, enriched["image_embedding"])
    pooled = [pool_mean(artworks, vectors) for artworks in skeleton["like_artwork_ids_7d"].to_pylist()]
    yield from differences("like_artwork_avg_embeds", pooled, enriched["like_artwork_avg_embeds"])


def main():
    skeleton_directory, enriched_directory, embeddings = sys.argv[1:]
    skeleton, enriched = read_partition(skeleton_directory), read_partition(enriched_directory)
    for difference in compare(skeleton, enriched, read_vectors(embeddings)):
        sys.exit(difference)
    looked_up, pooled = (enriched[name].null_count for name in EMBEDDINGS)
    print(f"{enriched.num_rows} rows agree; nulls: {looked_up}, pooled {pooled}")


if __name__ == "__main__":
    main()
