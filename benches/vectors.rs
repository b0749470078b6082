//! What it costs to find keys and vectors of a Lance dataset with `artwork_id` and `embedding`, and to find them again:
//! `cargo bench --bench vectors -- DATASET.lance SHARE…`, each share of the keys in an empty cache. The figures stand in `docs/performance.md`.

use daeda::engine::worker::peak_memory;
use daeda::table::keys::KeyCache;
use daeda::table::lance::{Addresses, Dataset, LanceError, Pin};
use daeda::table::vectors::{Scratch, VectorCache, Vectors, Want};
use std::path::Path;
use std::time::Instant;

/// Batches that are lent: as many rows as half a shard's row group asks for.
const BATCH: usize = 16_384;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some((path, shares)) = arguments.split_first() else { return println!("name a dataset") };
    let directory = tempfile::tempdir_in(Path::new(path).parent().unwrap()).unwrap();
    let dataset = Dataset::open(Path::new(path), &Pin::Latest).unwrap();
    let keys = KeyCache::new(&directory.path().join("keys"));
    let addresses = timed("keys, scanned", || keys.addresses(&dataset, "artwork_id").unwrap());
    timed("keys, kept", || keys.addresses(&dataset, "artwork_id").unwrap());
    for share in shares.iter().map(|share| share.parse().unwrap()) {
        measure(&dataset, &addresses, share, directory.path());
    }
}

fn measure(dataset: &Dataset, addresses: &Addresses, share: f64, directory: &Path) {
    // Keys are in no order of their addresses, so that every so manieth is a random one.
    let wanted: Vec<i64> = addresses.iter().map(|(key, _)| key).filter(|key| (*key as f64 * share).fract() < share).collect();
    let rows: Vec<u64> = addresses.find(&wanted).into_iter().map(|(address, _)| address).collect();
    println!("{share} of {}: {} vectors", addresses.len(), wanted.len());
    timed("  taken, no digests", || dataset.vectors(&rows, "embedding", |_, _| Ok::<(), LanceError>(())).unwrap());
    let (_, width) = dataset.vector_type("embedding").unwrap();
    let want = Want { store: "bench", dataset, column: "embedding", width, addresses, keys: &wanted };
    let vectors = directory.join("vectors");
    let _ = std::fs::remove_dir_all(&vectors);
    let cache = VectorCache::new(&vectors, u64::MAX);
    timed("  fetched, not kept before", || cache.fetch(&want, directory, 0, &|_, _| {}).unwrap().read);
    let read = timed("  fetched, kept: read", || cache.fetch(&want, directory, 0, &|_, _| {}).unwrap());
    timed("  lent in random batches, read", || lend(&read.vectors, &wanted));
    let mapped = timed("  fetched, kept: mapped", || cache.fetch(&want, directory, u64::MAX, &|_, _| {}).unwrap());
    timed("  lent in random batches, mapped", || lend(&mapped.vectors, &wanted));
}

/// Looks at all vectors, in batches of random ones.
fn lend(vectors: &Vectors, wanted: &[i64]) -> u64 {
    let (mut buffer, mut sum) = (Scratch::default(), 0);
    let mut scattered: Vec<i64> = wanted.to_vec();
    scattered.sort_unstable_by_key(|key| key.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64));
    for batch in scattered.chunks(BATCH) {
        let rows: Vec<u32> = batch.iter().filter_map(|key| vectors.row_of(*key)).collect();
        let lent = vectors.lend(&rows, &mut buffer).unwrap();
        sum += rows.iter().flat_map(|row| lent.bytes(*row).as_chunks::<8>().0).map(|bytes| u64::from_le_bytes(*bytes) & 1).sum::<u64>();
    }
    sum
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (start, before) = (Instant::now(), processor_seconds());
    let result = work();
    let (wall, used) = (start.elapsed().as_secs_f64(), processor_seconds() - before);
    println!("{what}: {wall:.3} s, {used:.2} s of processors, peak {} MiB", peak_memory() >> 20);
    result
}

fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: Vec<f64> = stat.split_whitespace().skip(13).take(2).filter_map(|text| text.parse().ok()).collect();
    ticks.iter().sum::<f64>() / 100.0
}
