//! A record batch, version 2: what a partition's log is made of. <https://kafka.apache.org/documentation/#recordbatch>

use saker_sdk::compress::{gzip, zstd};
use saker_sdk::prelude::*;

use crate::wire::{push_varint, varint_len};

/// What Kafka sums batches with: CRC-32C, Castagnoli's.
const CRC32C: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);

/// The level of gzip and zstd: the fast end, because points are many and alike.
const LEVEL: u8 = 1;
/// Where the sum of a batch begins to count, from the beginning of the batch: behind itself.
const SUMMED_FROM: usize = 21;
/// What a batch is beside its records, in bytes.
pub(crate) const OVERHEAD: usize = 61;

saker_sdk::settings! {
    /// How batches are compressed.
    pub enum BatchCompression { None = "none", Gzip = "gzip", Snappy = "snappy", Zstd = "zstd" }
}

/// Records that are to become one batch.
#[derive(Debug, Default)]
pub(crate) struct RecordBatch {
    records: Vec<u8>,
    count: i32,
    first_ms: i64,
    last_ms: i64,
}

impl RecordBatch {
    /// Appends a record.
    pub(crate) fn push(&mut self, timestamp_ms: i64, key: &[u8], value: &[u8]) {
        // A time before 1970 is none to a consumer, which rejects to read such a record. The value tells the true one.
        let timestamp_ms = timestamp_ms.max(0);
        if self.count == 0 {
            (self.first_ms, self.last_ms) = (timestamp_ms, timestamp_ms);
        }
        self.last_ms = self.last_ms.max(timestamp_ms);
        let (time, place) = (timestamp_ms - self.first_ms, i64::from(self.count));
        let (key_len, value_len) = (key.len() as i64, value.len() as i64);
        // Attributes, and the number of headers, are a byte each.
        let length = 2
            + varint_len(time)
            + varint_len(place)
            + varint_len(key_len)
            + key.len()
            + varint_len(value_len)
            + value.len();
        push_varint(&mut self.records, length as i64);
        self.records.push(0);
        push_varint(&mut self.records, time);
        push_varint(&mut self.records, place);
        push_varint(&mut self.records, key_len);
        self.records.extend_from_slice(key);
        push_varint(&mut self.records, value_len);
        self.records.extend_from_slice(value);
        self.records.push(0);
        self.count += 1;
    }

    /// How many bytes its records have.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Appends the batch.
    ///
    /// # Errors
    /// [`WriteError::Retry`] if the agent does not compress so much at once.
    pub(crate) fn finish(&self, compression: BatchCompression, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let packed;
        let (records, codec) = match compression {
            BatchCompression::None => (self.records.as_slice(), 0_i16),
            BatchCompression::Gzip => {
                packed = gzip(&self.records, LEVEL).map_err(|error| WriteError::retry(error.to_string(), None))?;
                (packed.as_slice(), 1)
            }
            BatchCompression::Snappy => {
                packed = snappy(&self.records);
                (packed.as_slice(), 2)
            }
            BatchCompression::Zstd => {
                packed = zstd(&self.records, LEVEL).map_err(|error| WriteError::retry(error.to_string(), None))?;
                (packed.as_slice(), 4)
            }
        };
        let begin = out.len();
        // The offset of its first record, which the broker writes; how long the rest is; the leader's epoch, unknown.
        out.extend_from_slice(&0_i64.to_be_bytes());
        out.extend_from_slice(&((OVERHEAD - 12 + records.len()) as i32).to_be_bytes());
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        // The version, and room for the sum.
        out.push(2);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&codec.to_be_bytes());
        out.extend_from_slice(&(self.count - 1).to_be_bytes());
        out.extend_from_slice(&self.first_ms.to_be_bytes());
        out.extend_from_slice(&self.last_ms.to_be_bytes());
        // No producer that is known by a number, so none with an epoch and a sequence.
        out.extend_from_slice(&(-1_i64).to_be_bytes());
        out.extend_from_slice(&(-1_i16).to_be_bytes());
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(records);
        let sum = CRC32C.checksum(&out[begin + SUMMED_FROM..]);
        out[begin + SUMMED_FROM - 4..begin + SUMMED_FROM].copy_from_slice(&sum.to_be_bytes());
        Ok(())
    }
}

/// Snappy in the frame that Java's library puts around it, which every client of Kafka reads: a head, then blocks with
/// their lengths.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    const HEAD: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
    const BLOCK: usize = 32 << 10;
    let mut encoder = snap::raw::Encoder::new();
    let mut out = HEAD.to_vec();
    for block in bytes.chunks(BLOCK) {
        let begin = out.len() + 4;
        out.resize(begin + snap::raw::max_compress_len(block.len()), 0);
        let length = encoder.compress(block, &mut out[begin..]).expect("the block is small and its room large enough");
        out[begin - 4..begin].copy_from_slice(&(length as i32).to_be_bytes());
        out.truncate(begin + length);
    }
    out
}

#[cfg(test)]
pub(crate) mod reading {
    //! A reader of batches, as strict as a broker, and written from the format's description alone.

    use std::io::Read;

    /// A record: its time, its key, its value.
    pub(crate) type Record = (i64, Vec<u8>, Vec<u8>);

    fn varint(bytes: &mut &[u8]) -> i64 {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let (&byte, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return (value >> 1) as i64 ^ -((value & 1) as i64);
            }
        }
    }

    fn cut<'b>(bytes: &mut &'b [u8], length: usize) -> &'b [u8] {
        let (head, rest) = bytes.split_at(length);
        *bytes = rest;
        head
    }

    fn number(bytes: &mut &[u8], length: usize) -> i64 {
        let bytes = cut(bytes, length);
        let start = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
        bytes.iter().fold(start, |number, &byte| number << 8 | i64::from(byte))
    }

    /// CRC-32C, bit by bit.
    fn crc32c(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum: u32, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0x82F6_3B78 } else { 0 })
        })
    }

    fn unpacked(codec: i64, mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match codec {
            0 => out.extend_from_slice(bytes),
            1 => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap()),
            2 => {
                assert_eq!(cut(&mut bytes, 16), b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
                while !bytes.is_empty() {
                    let length = number(&mut bytes, 4) as usize;
                    out.extend(snap::raw::Decoder::new().decompress_vec(cut(&mut bytes, length)).unwrap());
                }
            }
            4 => out = zstd::decode_all(bytes).unwrap(),
            other => panic!("codec {other}"),
        }
        out
    }

    /// The records of one batch, everything in it checked.
    pub(crate) fn records(mut bytes: &[u8]) -> Vec<Record> {
        assert_eq!(number(&mut bytes, 8), 0, "base offset");
        assert_eq!(number(&mut bytes, 4) as usize, bytes.len(), "length");
        assert_eq!((number(&mut bytes, 4), number(&mut bytes, 1)), (-1, 2), "epoch and version");
        assert_eq!(number(&mut bytes, 4) as u32, crc32c(bytes), "sum");
        let attributes = number(&mut bytes, 2);
        let (last_place, first_ms, last_ms) = (number(&mut bytes, 4), number(&mut bytes, 8), number(&mut bytes, 8));
        assert_eq!((number(&mut bytes, 8), number(&mut bytes, 2), number(&mut bytes, 4)), (-1, -1, -1), "producer");
        let count = number(&mut bytes, 4);
        assert_eq!(last_place, count - 1);
        let all = unpacked(attributes & 7, bytes);
        let mut rest = all.as_slice();
        let records: Vec<Record> = (0..count)
            .map(|place| {
                let length = varint(&mut rest) as usize;
                let mut record = cut(&mut rest, length);
                assert_eq!(cut(&mut record, 1), [0], "attributes");
                let time = first_ms + varint(&mut record);
                assert_eq!(varint(&mut record), place);
                let length = varint(&mut record) as usize;
                let key = cut(&mut record, length).to_vec();
                let length = varint(&mut record) as usize;
                let value = cut(&mut record, length).to_vec();
                assert_eq!(record, [0], "no headers, and nothing more");
                (time, key, value)
            })
            .collect();
        assert!(rest.is_empty());
        assert_eq!(records.iter().map(|record| record.0).max(), Some(last_ms));
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [BatchCompression; 4] =
        [BatchCompression::None, BatchCompression::Gzip, BatchCompression::Snappy, BatchCompression::Zstd];

    #[test]
    fn a_batch_of_one_record_is_these_bytes() {
        let mut batch = RecordBatch::default();
        batch.push(1_700_000_000_123, b"k", b"v");
        let mut out = Vec::new();
        batch.finish(BatchCompression::None, &mut out).unwrap();
        let expected = [
            &b"\0\0\0\0\0\0\0\0"[..],            // base offset
            b"\0\0\0\x3a",                       // length
            b"\xff\xff\xff\xff\x02",             // leader epoch, magic
            b"\x42\x32\x88\xda",                 // CRC-32C, worked out by another program
            b"\0\0",                             // attributes
            b"\0\0\0\0",                         // last offset delta
            b"\0\0\x01\x8b\xcf\xe5\x68\x7b",     // first timestamp
            b"\0\0\x01\x8b\xcf\xe5\x68\x7b",     // greatest timestamp
            b"\xff\xff\xff\xff\xff\xff\xff\xff", // producer id
            b"\xff\xff\xff\xff\xff\xff",         // producer epoch, base sequence
            b"\0\0\0\x01",                       // records
            b"\x10\0\0\0\x02k\x02v\0",           // the record
        ]
        .concat();
        assert_eq!(out, expected);
        assert_eq!(reading::records(&out), [(1_700_000_000_123, b"k".to_vec(), b"v".to_vec())]);
    }

    #[test]
    fn the_sum_is_the_one_of_the_standard() {
        // RFC 3720, B.4.
        assert_eq!(CRC32C.checksum(&[0; 32]), 0x8A91_36AA);
        assert_eq!(CRC32C.checksum(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn batches_of_any_kind_are_read_back_whatever_their_times_are() {
        let times = [1000, 0, 4_102_444_800_000, 999, -5, i64::MIN, i64::MAX];
        for compression in ALL {
            let mut batch = RecordBatch::default();
            let mut expected = Vec::new();
            for round in 0..5000_usize {
                let (time, key, value) = (times[round % times.len()], format!("k{round}"), "v".repeat(round % 300));
                batch.push(time, key.as_bytes(), value.as_bytes());
                expected.push((time.max(0), key.into_bytes(), value.into_bytes()));
            }
            let mut out = Vec::new();
            batch.finish(compression, &mut out).unwrap();
            assert_eq!(out.len() == batch.len() + OVERHEAD, compression == BatchCompression::None);
            assert!(reading::records(&out) == expected, "{compression:?}");
        }
    }
}
