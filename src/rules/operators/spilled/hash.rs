//! Hashes of keys, by which rows are put into buckets.
//!
//! Invariants: equal keys have equal hashes, on both sides and whatever batch they are in; hashes of another seed part keys anew. A key with a
//! null in any part has none.

use crate::engine::failure::Failure;
use crate::rules::operators::arrow_failure;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use arrow::row::{RowConverter, SortField};

/// The hash of the key of each row.
pub fn hashes(keys: &[ArrayRef], rows: usize, seed: u64) -> Result<Vec<Option<u64>>, Failure> {
    let mut hashes = vec![Some(mix(seed)); rows];
    for part in keys {
        if is_whole(part.data_type()) {
            of_numbers(&mut hashes, part)?;
        } else {
            of_bytes(&mut hashes, part)?;
        }
    }
    Ok(hashes)
}

/// What goes by 64 bits, as it does in the kernels.
fn is_whole(data_type: &DataType) -> bool {
    use DataType::*;
    data_type.is_integer() || matches!(data_type, Boolean | Date32 | Date64 | Timestamp(..) | Duration(_))
}

fn of_numbers(hashes: &mut [Option<u64>], part: &ArrayRef) -> Result<(), Failure> {
    if let Some(unsigned) = part.as_primitive_opt::<UInt64Type>() {
        add(hashes, unsigned.iter());
        return Ok(());
    }
    let wide = cast(part, &DataType::Int64).map_err(arrow_failure)?;
    add(hashes, wide.as_primitive::<Int64Type>().iter().map(|number| number.map(|number| number as u64)));
    Ok(())
}

fn add(hashes: &mut [Option<u64>], words: impl Iterator<Item = Option<u64>>) {
    for (hash, word) in hashes.iter_mut().zip(words) {
        *hash = hash.zip(word).map(|(hash, word)| mix(hash ^ word));
    }
}

fn of_bytes(hashes: &mut [Option<u64>], part: &ArrayRef) -> Result<(), Failure> {
    let converter = RowConverter::new(vec![SortField::new(part.data_type().clone())]).map_err(arrow_failure)?;
    let rows = converter.convert_columns(std::slice::from_ref(part)).map_err(arrow_failure)?;
    let nulls = part.logical_nulls();
    for (row, hash) in hashes.iter_mut().enumerate() {
        let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        *hash = hash.filter(|_| !is_null).map(|hash| rows.row(row).data().chunks(8).fold(hash, |hash, chunk| mix(hash ^ word(chunk))));
    }
    Ok(())
}

fn word(chunk: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..chunk.len()].copy_from_slice(chunk);
    u64::from_le_bytes(word)
}

/// A finaliser of which every bit of the result follows from every bit of what goes in.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, Int64Array, StringArray};
    use std::sync::Arc;

    fn of(parts: &[ArrayRef], seed: u64) -> Vec<Option<u64>> {
        hashes(parts, parts[0].len(), seed).unwrap()
    }

    #[test]
    fn equal_keys_have_equal_hashes_whatever_their_width_and_place() {
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(-1)]));
        let narrow: ArrayRef = Arc::new(Int32Array::from(vec![Some(-1), Some(7)]));
        let (wide, narrow) = (of(&[wide], 0), of(&[narrow], 0));
        assert_eq!((wide[0], wide[1], wide[2]), (narrow[1], None, narrow[0]));
    }

    #[test]
    fn every_part_and_the_seed_count() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("a"), None]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 2, 1]));
        let hashes = of(&[texts.clone(), numbers.clone()], 0);
        let different: std::collections::BTreeSet<_> = hashes.iter().collect();
        assert_eq!((different.len(), hashes[3]), (4, None));
        assert_ne!(of(&[texts, numbers], 1)[0], hashes[0]);
    }

    #[test]
    fn numbers_in_a_row_are_spread() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..64_000));
        let mut counts = [0; 64];
        of(&[numbers], 0).into_iter().flatten().for_each(|hash| counts[(hash % 64) as usize] += 1);
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
