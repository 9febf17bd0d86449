//! From canonical bytes to values.

use std::sync::Arc;

use ciborium_ll::{Header, simple};

use crate::canon::{self, Reader};
use crate::codec::encode::{self, EMBEDDED};
use crate::codec::error::Error;
use crate::codec::image::{Copied, Head, Lend, dims, expect, floats, grid};
use crate::id::{BlobId, Digest};
use crate::pool::{ALIGN, Block};
use crate::value::data::Value;

/// Where canonical bytes come from.
///
/// For whoever implements one: the three agree, and `fill` writes all of `out` or fails.
pub trait Source {
    /// What reading may fail with.
    type Error;

    /// Returns the count of all bytes.
    fn len(&self) -> u64;

    /// Says whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the first `n` bytes, or all when there are fewer.
    fn prefix(&self, n: usize) -> Result<Vec<u8>, Self::Error>;

    /// Writes all bytes to `out`, which is exactly as long.
    fn fill(&self, out: &mut [u8]) -> Result<(), Self::Error>;
}

/// Finds the image that a value mentions, or says that it is not here.
pub type Resolve<'a, E> = &'a dyn Fn(BlobId) -> Result<Option<Value>, E>;

/// The head of an image ends within so many bytes; so does its tail.
const HEAD: usize = 4096;
/// Values that are nested deeper are refused, as [`canon::read`] does.
const DEPTH: usize = 512;

/// Decodes a value.
///
/// The bytes of an image are read straight into a block of the pool, so placed that the voxels lie on
/// a 64-byte boundary, and the value keeps the block. Checked: canonical form, sizes against dims
/// (before memory is taken), padding of masks. Not checked, because the digest of the bytes is proved
/// elsewhere: that NaN voxels are the one NaN.
pub fn decode<S: Source>(
    source: &S,
    resolve: Resolve<'_, S::Error>,
) -> Result<Value, Error<S::Error>> {
    let len = usize::try_from(source.len()).map_err(|_| Error::Malformed("longer than memory"))?;
    let prefix = source.prefix(HEAD.min(len)).map_err(Error::Source)?;
    if prefix.len() != HEAD.min(len) {
        return Err(Error::Malformed("cut short"));
    }
    if prefix.len() == len {
        return whole(&prefix, resolve);
    }
    if let Some(head) = Head::read(&mut Reader::new(&prefix))? {
        let end = head.start.checked_add(head.len).filter(|end| *end <= len);
        let end = end.ok_or(Error::Malformed("cut short"))?;
        if len - end > HEAD {
            return Err(Error::Malformed("bytes after the end"));
        }
        let shift = head.start.next_multiple_of(ALIGN) - head.start;
        let mut block = Block::take(shift + len);
        source.fill(&mut block.bytes_mut()[shift..shift + len]).map_err(Error::Source)?;
        let bytes = &block.bytes()[shift..shift + len];
        if bytes[..head.start] != prefix[..head.start] {
            return Err(Error::Malformed("changed while it was read"));
        }
        let mut tail = Reader::new(&bytes[end..]);
        let grid = head.tail(&mut tail)?;
        if end + tail.offset() != len {
            return Err(Error::Malformed("bytes after the end"));
        }
        let start = shift + head.start;
        return head.image(grid, Lend { block, start });
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Error::Malformed("longer than memory"))?;
    bytes.resize(len, 0);
    source.fill(&mut bytes).map_err(Error::Source)?;
    whole(&bytes, resolve)
}

/// Decodes a value from bytes in memory, such as the small ones that ride in receipts.
pub fn decode_slice<E>(bytes: &[u8], resolve: Resolve<'_, E>) -> Result<Value, Error<E>> {
    struct Slice<'a, E>(&'a [u8], std::marker::PhantomData<E>);

    impl<E> Source for Slice<'_, E> {
        type Error = E;

        fn len(&self) -> u64 {
            self.0.len() as u64
        }

        fn prefix(&self, n: usize) -> Result<Vec<u8>, E> {
            Ok(self.0[..n.min(self.0.len())].to_vec())
        }

        fn fill(&self, out: &mut [u8]) -> Result<(), E> {
            out.copy_from_slice(self.0);
            Ok(())
        }
    }

    decode(&Slice(bytes, std::marker::PhantomData), resolve)
}

impl Source for &[u8] {
    type Error = std::convert::Infallible;

    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn prefix(&self, n: usize) -> Result<Vec<u8>, Self::Error> {
        Ok(self[..n.min(<[u8]>::len(self))].to_vec())
    }

    fn fill(&self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.copy_from_slice(self);
        Ok(())
    }
}

fn whole<E>(bytes: &[u8], resolve: Resolve<'_, E>) -> Result<Value, Error<E>> {
    let mut reader = Reader::new(bytes);
    let value = Decoder { bytes, resolve }.value(&mut reader, 0)?;
    if reader.offset() != bytes.len() {
        return Err(Error::Malformed("bytes after the end"));
    }
    Ok(value)
}

struct Decoder<'a, 'r, E> {
    bytes: &'a [u8],
    resolve: Resolve<'r, E>,
}

impl<'a, E> Decoder<'a, '_, E> {
    fn value(&self, reader: &mut Reader<'a>, depth: usize) -> Result<Value, Error<E>> {
        if depth > DEPTH {
            return Err(Error::Malformed("nested too deeply"));
        }
        let start = reader.offset();
        Ok(match reader.header()? {
            Header::Simple(simple::NULL) => Value::Null,
            Header::Simple(simple::TRUE) => Value::Bool(true),
            Header::Simple(simple::FALSE) => Value::Bool(false),
            Header::Float(number) => Value::Number(number),
            Header::Bytes(Some(len)) => Value::Bytes(reader.take(len)?.into()),
            Header::Text(Some(len)) => Value::Text(text(reader.take(len)?)?.into()),
            Header::Array(Some(len)) => Value::Sequence(self.items(reader, len, depth)?.into()),
            Header::Map(Some(len)) => self.tagged(reader, start, len, depth)?,
            _ => return Err(Error::Malformed("an item that no value begins with")),
        })
    }

    fn items(
        &self,
        reader: &mut Reader<'a>,
        len: usize,
        depth: usize,
    ) -> Result<Vec<Value>, Error<E>> {
        // Each item takes a byte at least, so an announced length says no more than the bytes do.
        let mut items = Vec::with_capacity(len.min(self.bytes.len() - reader.offset()));
        for _ in 0..len {
            items.push(self.value(reader, depth + 1)?);
        }
        Ok(items)
    }

    /// Reads what is behind the head of a map: its `t` says what it is.
    fn tagged(
        &self,
        reader: &mut Reader<'a>,
        start: usize,
        len: usize,
        depth: usize,
    ) -> Result<Value, Error<E>> {
        expect(reader, "t")?;
        match (reader.text()?, len) {
            ("record", 2) => {
                expect(reader, "fields")?;
                let Header::Map(Some(len)) = reader.header()? else {
                    return Err(Error::Malformed("fields that are no map"));
                };
                let mut fields: Vec<(Arc<str>, Value)> = Vec::new();
                for _ in 0..len {
                    let name = reader.text()?;
                    let behind =
                        |(last, _): &(Arc<str>, Value)| canon::key_order(last, name).is_lt();
                    if !fields.last().is_none_or(behind) {
                        return Err(Error::Malformed("keys out of order"));
                    }
                    fields.push((name.into(), self.value(reader, depth + 1)?));
                }
                Ok(Value::Record(fields.into()))
            }
            ("overlay", 2) => {
                expect(reader, "layers")?;
                match reader.header()? {
                    Header::Array(Some(len)) => {
                        Ok(Value::Overlay(self.items(reader, len, depth)?.into()))
                    }
                    _ => Err(Error::Malformed("layers that are no array")),
                }
            }
            ("ref", 2) if depth > 0 => {
                expect(reader, "blob")?;
                let Header::Bytes(Some(32)) = reader.header()? else {
                    return Err(Error::Malformed("a reference that is no digest"));
                };
                let digest = Digest::from_slice(reader.take(32)?).expect("32 bytes were taken");
                self.mentioned(BlobId(digest))
            }
            ("grid", 5) => {
                let (dims, origin) = (dims(reader, "dims")?, floats(reader, "origin")?);
                let spacing = floats(reader, "spacing")?;
                let direction = floats(reader, "direction")?;
                Ok(Value::Grid(Arc::new(grid(&dims, &spacing, &origin, &direction)?)))
            }
            ("image", 7 | 8) => {
                let head = Head::rest(reader, len)?;
                let voxels = reader.take(head.len)?;
                let grid = head.tail(reader)?;
                if depth > 0 && reader.offset() - start > EMBEDDED {
                    return Err(Error::Malformed("a large image that is embedded"));
                }
                head.image(grid, Copied { voxels })
            }
            _ => Err(Error::Malformed("a map of no kind that is known")),
        }
    }

    fn mentioned(&self, blob: BlobId) -> Result<Value, Error<E>> {
        let value = (self.resolve)(blob).map_err(Error::Source)?.ok_or(Error::Missing(blob))?;
        if !value.kind().is_image() || encode::encode(&value).len() <= EMBEDDED {
            return Err(Error::Malformed("a reference to what should be embedded"));
        }
        Ok(value)
    }
}

fn text<E>(bytes: &[u8]) -> Result<&str, Error<E>> {
    std::str::from_utf8(bytes).map_err(|_| Error::Malformed("text that is not UTF-8"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::codec::encode::encode;
    use crate::pool::Buffer;
    use crate::value::grid::Grid;
    use crate::value::mask::Mask;
    use crate::value::volume::{Colour, Volume, Voxels};

    #[expect(clippy::unnecessary_wraps, reason = "the form of a resolver")]
    fn none(_: BlobId) -> Result<Option<Value>, Infallible> {
        Ok(None)
    }

    /// Decodes what was encoded, with its images at hand, and compares the bytes.
    fn check(value: &Value) {
        let encoded = encode(value);
        let images: HashMap<BlobId, Value> = encoded.refs.iter().cloned().collect();
        let bytes = encoded.to_vec();
        let again: Result<Value, Error<Infallible>> =
            decode(&bytes.as_slice(), &|blob| Ok(images.get(&blob).cloned()));
        assert_eq!(encode(&again.unwrap()).to_vec(), bytes);
    }

    fn has_floats(value: &Value) -> bool {
        match value {
            Value::Sequence(items) | Value::Overlay(items) => items.iter().any(has_floats),
            Value::Record(fields) => fields.iter().any(|(_, value)| has_floats(value)),
            Value::Volume(volume) => !volume.voxels.kind().is_integer(),
            Value::Colour(_) => true,
            _ => false,
        }
    }

    fn an_image() -> impl Strategy<Value = Value> {
        let dims = proptest::collection::vec(1usize..70, 2..=3)
            .prop_filter("small", |dims| dims.iter().product::<usize>() < 20_000);
        (dims, 0usize..13, any::<u8>(), 0.1f64..9.0).prop_map(|(dims, kind, seed, size)| {
            let d = dims.len();
            let plain = Grid::plain(&dims).unwrap();
            let grid =
                Grid::new(&dims, &vec![size; d], &vec![-size; d], plain.direction()).unwrap();
            let (n, grid) = (grid.voxels(), Arc::new(grid));
            macro_rules! filled {
                ($of:ident, $count:expr) => {{
                    let mut buffer = Buffer::<$of>::zeroed($count);
                    for (at, x) in buffer.iter_mut().enumerate() {
                        *x = $of::try_from((at as u8 ^ seed) & 127).unwrap();
                    }
                    Arc::new(buffer)
                }};
            }
            let voxels = match kind {
                0 => Voxels::U8(filled!(u8, n)),
                1 => Voxels::I8(filled!(i8, n)),
                2 => Voxels::U16(filled!(u16, n)),
                3 => Voxels::I16(filled!(i16, n)),
                4 => Voxels::U32(filled!(u32, n)),
                5 => Voxels::I32(filled!(i32, n)),
                6 => Voxels::U64(filled!(u64, n)),
                7 => Voxels::I64(filled!(i64, n)),
                8 => Voxels::F32(filled!(f32, n)),
                9 => Voxels::F64(filled!(f64, n)),
                10 => {
                    let truth = |x: usize, y: usize, z: usize| {
                        (x + y + z + seed as usize).is_multiple_of(3)
                    };
                    return Value::Mask(Mask::from_fn(grid, truth));
                }
                _ => {
                    let components = kind - 8;
                    let voxels = filled!(f32, n * components);
                    return Value::Colour(Colour { grid, components, voxels });
                }
            };
            Value::Volume(Volume { grid, voxels })
        })
    }

    fn a_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<f64>().prop_map(Value::Number),
            ".*".prop_map(|text| Value::text(&text)),
            any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())),
            an_image(),
            an_image().prop_map(|image| Value::Grid(image.grid().unwrap().clone())),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::sequence),
                proptest::collection::vec(inner.clone(), 0..4)
                    .prop_map(|layers| Value::Overlay(layers.into())),
                proptest::collection::vec(("[a-c]{0,3}", inner), 0..4).prop_map(|fields| {
                    Value::record(
                        fields.into_iter().map(|(name, value)| (name.into(), value)).collect(),
                    )
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn values_come_back(value in a_value()) {
            check(&value);
        }

        #[test]
        fn bytes_are_a_value_only_if_it_is_written_so(
            value in a_value(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let encoded = encode(&value);
            let images: HashMap<BlobId, Value> = encoded.refs.iter().cloned().collect();
            let mut bytes = encoded.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let resolve = |blob| Ok::<_, Infallible>(images.get(&blob).cloned());
            for bytes in [&bytes[..], &bytes[..at]] {
                if let Ok(value) = decode_slice(bytes, &resolve) {
                    let again = encode(&value).to_vec();
                    prop_assert_eq!(again.len(), bytes.len());
                    // Voxels may be any NaN when decoded, see `decode`; all else comes back.
                    prop_assert!(again == bytes || has_floats(&value));
                }
            }
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            prop_assert!(decode_slice(&bytes, &none).is_ok_and(
                |value| encode(&value).to_vec() == bytes) || decode_slice(&bytes, &none).is_err());
        }
    }

    #[test]
    fn the_voxels_of_a_large_image_are_aligned() {
        let mask = Mask::constant(Arc::new(Grid::plain(&[640, 70]).unwrap()), true);
        let bytes = encode(&Value::Mask(mask)).to_vec();
        let Value::Mask(mask) = decode(&bytes.as_slice(), &none).unwrap() else { panic!() };
        assert_eq!(mask.words.as_ptr() as usize % ALIGN, 0);
        assert_eq!(mask.count(), 640 * 70);
    }

    #[test]
    fn padding_that_is_not_zero_is_refused() {
        for dims in [[3usize, 3], [100, 700]] {
            let mask = Mask::constant(Arc::new(Grid::plain(&dims).unwrap()), false);
            let encoded = encode(&Value::Mask(mask));
            let head = encoded.parts()[0].len();
            let mut bytes = encoded.to_vec();
            let last = head + dims[0].div_ceil(64) * 8 - 1;
            bytes[last] = 0x80;
            assert!(matches!(decode_slice(&bytes, &none), Err(Error::Malformed(_))));
        }
    }

    #[test]
    fn lengths_that_lie_take_no_memory() {
        struct Liar(Vec<u8>);
        impl Source for Liar {
            type Error = Infallible;
            fn len(&self) -> u64 {
                1 << 40
            }
            fn prefix(&self, n: usize) -> Result<Vec<u8>, Infallible> {
                Ok(self.0[..n].to_vec())
            }
            fn fill(&self, _: &mut [u8]) -> Result<(), Infallible> {
                panic!("memory was taken");
            }
        }
        let mask = Mask::constant(Arc::new(Grid::plain(&[640, 70]).unwrap()), true);
        let liar = Liar(encode(&Value::Mask(mask)).to_vec());
        assert!(matches!(decode(&liar, &none), Err(Error::Malformed(_))));
    }

    #[test]
    fn a_missing_image_is_named() {
        let large = Mask::constant(Arc::new(Grid::plain(&[640, 70]).unwrap()), true);
        let encoded = encode(&Value::sequence(vec![Value::Mask(large)]));
        let blob = encoded.refs[0].0;
        let failed = decode_slice(&encoded.to_vec(), &none);
        assert!(matches!(failed, Err(Error::Missing(missing)) if missing == blob));
    }
}
