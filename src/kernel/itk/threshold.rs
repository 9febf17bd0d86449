//! Thresholds: given, and Otsu's; and images cut out by masks.
#![expect(clippy::needless_bitwise_bool, reason = "without branches loops become vector code")]

use crate::each_voxel_type;
use crate::kernel::argument::{self, CHUNK};
use crate::kernel::itk::statistics::ends;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::number::otsu::{Bins, MOST_BINS, best, histogram};
use crate::kernel::share;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::volume::Voxels;

/// Returns one number where an image lies between two, ends included, and another elsewhere.
pub fn binary(call: &Call<'_>) -> Result<Output, Refusal> {
    let args = call.args;
    let volume = typed::volume_at(args, 0)?;
    let inside = typed::integer_at(args, 3, 0, 255)? as u8;
    let outside = typed::integer_at(args, 4, 0, 255)? as u8;
    let voxels = each_voxel_type!(&volume.voxels, voxels => parted(voxels, args, inside, outside)?);
    Ok(typed::image(&volume.grid, voxels).into())
}

fn parted<T: Voxel>(
    voxels: &[T],
    args: &[Value],
    inside: u8,
    outside: u8,
) -> Result<Voxels, Refusal> {
    let (low, high) = (typed::scalar_at::<T>(args, 1)?, typed::scalar_at::<T>(args, 2)?);
    if low > high {
        return Err(Refusal::with(Code::Range, &[low.wide(), high.wide()]));
    }
    Ok(typed::map(
        voxels,
        move |voxel| if (low <= voxel) & (voxel <= high) { inside } else { outside },
    ))
}

/// Keeps the voxels between two numbers, ends included; others become a third number.
pub fn threshold(call: &Call<'_>) -> Result<Output, Refusal> {
    let volume = typed::volume_at(call.args, 0)?;
    let voxels = each_voxel_type!(&volume.voxels, voxels => kept(voxels, call.args)?);
    Ok(typed::image(&volume.grid, voxels).into())
}

fn kept<T: Voxel>(voxels: &[T], args: &[Value]) -> Result<Voxels, Refusal> {
    let (low, high) = (typed::scalar_at::<T>(args, 1)?, typed::scalar_at::<T>(args, 2)?);
    let outside = typed::scalar_at::<T>(args, 3)?;
    Ok(typed::map(
        voxels,
        move |voxel| if (low <= voxel) & (voxel <= high) { voxel } else { outside },
    ))
}

/// Puts a number where a mask is another.
pub fn mask(call: &Call<'_>) -> Result<Output, Refusal> {
    let args = call.args;
    let volume = typed::volume_at(args, 0)?;
    let mask = typed::integers_at(args, 1)?;
    argument::same_grid(&[&args[0], &args[1]])?;
    let hides = each_voxel_type!(&mask.voxels, mask => hidden(mask, args)?);
    let voxels = each_voxel_type!(&volume.voxels, voxels => covered(voxels, &hides, args)?);
    Ok(typed::image(&volume.grid, voxels).into())
}

fn hidden<T: Voxel>(mask: &[T], args: &[Value]) -> Result<Buffer<u8>, Refusal> {
    let hides = typed::scalar_at::<T>(args, 3)?;
    Ok(typed::made(mask.len(), |at| u8::from(mask[at] == hides)))
}

fn covered<T: Voxel>(voxels: &[T], hides: &[u8], args: &[Value]) -> Result<Voxels, Refusal> {
    let outside = typed::scalar_at::<T>(args, 2)?;
    Ok(typed::zip(voxels, hides, move |voxel, hides: u8| if hides == 1 { outside } else { voxel }))
}

/// What `OtsuThreshold` is asked for besides its images.
struct Otsu {
    inside: u8,
    outside: u8,
    bins: usize,
    hides_output: bool,
    middle: bool,
}

/// Returns one number up to Otsu's threshold and another above it.
///
/// With a mask only voxels where it has a given value are counted, and off them the result is the
/// second number when asked.
pub fn otsu(call: &Call<'_>) -> Result<Output, Refusal> {
    let args = call.args;
    let volume = typed::volume_at(args, 0)?;
    let (mask, rest) = match args.get(1) {
        Some(Value::Number(_)) | None => (None, &args[1..]),
        Some(_) => (Some(typed::integers_at(args, 1)?), &args[2..]),
    };
    let options = Otsu {
        inside: typed::integer_at(rest, 0, 0, 255)? as u8,
        outside: typed::integer_at(rest, 1, 0, 255)? as u8,
        bins: bins(rest)?,
        hides_output: typed::truth_at(rest, 3)?,
        middle: typed::truth_at(rest, 5)?,
    };
    let wanted = typed::integer_at(rest, 4, 0, 255)? as f64;
    let counted = match &mask {
        None => None,
        Some(mask) => {
            argument::same_grid(&[&args[0], &args[1]])?;
            Some(each_voxel_type!(&mask.voxels, mask => equal(mask, wanted)))
        }
    };
    let voxels = each_voxel_type!(&volume.voxels, voxels => {
        divided(voxels, counted.as_deref(), &options)?
    });
    Ok(typed::image(&volume.grid, voxels).into())
}

fn bins(rest: &[Value]) -> Result<usize, Refusal> {
    let bins = argument::integer(argument::at(rest, 2)?)?;
    match bins {
        ..2 => Err(Refusal::with(Code::Range, &[bins as f64, 2.0])),
        2..=MOST_BINS => Ok(bins as usize),
        _ => Err(Refusal::with(Code::Size, &[bins as f64, MOST_BINS as f64])),
    }
}

fn equal<T: Voxel>(mask: &[T], wanted: f64) -> Buffer<u8> {
    typed::made(mask.len(), |at| u8::from(mask[at].wide() == wanted))
}

fn divided<T: Voxel>(
    voxels: &[T],
    counted: Option<&[u8]>,
    options: &Otsu,
) -> Result<Voxels, Refusal> {
    let gathered = counted.map(|counted| inside(voxels, counted));
    let seen = gathered.as_deref().unwrap_or(voxels);
    let (least, greatest) = ends(seen);
    // Of nothing both are NaN.
    if least.is_nan() {
        return Err(Refusal::new(Code::Empty));
    }
    for end in [least, greatest] {
        if end.is_infinite() {
            return Err(Refusal::with(Code::Range, &[end]));
        }
    }
    let bins = if size_of::<T>() == 1 {
        // ITK takes the whole type for bytes.
        Bins::between(T::LEAST.wide() - 0.5, T::GREATEST.wide() + 0.5, options.bins)
    } else {
        Bins::new(least, greatest, options.bins)
    };
    let threshold = if least == greatest && size_of::<T>() > 1 {
        least
    } else {
        let bin = best(&bins, &histogram(seen, &bins, T::wide));
        if options.middle { bins.middle(bin) } else { bins.upper(bin) }
    };
    let threshold = T::of(threshold);
    let (inside, outside) = (options.inside, options.outside);
    Ok(match counted.filter(|_| options.hides_output) {
        None => typed::map(voxels, move |voxel| if voxel <= threshold { inside } else { outside }),
        Some(counted) => typed::zip(voxels, counted, move |voxel, counts: u8| {
            if (voxel <= threshold) & (counts == 1) { inside } else { outside }
        }),
    })
}

/// Returns the voxels that count.
fn inside<T: Voxel>(voxels: &[T], counted: &[u8]) -> Vec<T> {
    let chunks: Vec<(&[T], &[u8])> = voxels.chunks(CHUNK).zip(counted.chunks(CHUNK)).collect();
    share::numbered(chunks.len(), &|chunk| {
        let (voxels, counted) = chunks[chunk];
        let both = voxels.iter().zip(counted);
        both.filter(|(_, counts)| **counts == 1).map(|(voxel, _)| *voxel).collect::<Vec<T>>()
    })
    .concat()
}
