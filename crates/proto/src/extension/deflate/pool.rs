//! The thread's compressors and decompressors, which connections borrow for a piece of a message.

use std::cell::{Cell, RefCell};

use zlib_rs::{Deflate, DeflateConfig, Inflate};

use super::params::WindowBits;

/// How hard to compress: 1, the fastest, to 9, the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompressionLevel(u8);

impl CompressionLevel {
    /// 1.
    pub const FASTEST: Self = Self(1);
    /// 9.
    pub const SMALLEST: Self = Self(9);

    /// `None` unless `level` is 1 to 9.
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        match level {
            1..=9 => Some(Self(level)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// What tells compressors apart that cannot stand in for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) bits: WindowBits,
    pub(super) level: CompressionLevel,
}

/// A place in what one connection sent: no two are ever the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) connection: u64,
    pub(super) step: u64,
}

/// A compressor that a thread keeps.
struct Kept {
    kind: Kind,
    /// Where its window ends, if somebody may go on from there.
    place: Option<Place>,
    deflate: Deflate,
}

thread_local! {
    static COMPRESSORS: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
    static DECOMPRESSORS: RefCell<Vec<Inflate>> = const { RefCell::new(Vec::new()) };
    static VICTIM: Cell<usize> = const { Cell::new(0) };
}

/// A compressor that is where `place` says, and whether there is one; else one that must be reset.
pub(super) fn take_compressor(kind: Kind, place: Option<Place>) -> (Deflate, bool) {
    COMPRESSORS.with_borrow_mut(|kept| {
        if place.is_some()
            && let Some(found) = kept.iter().position(|it| it.place == place)
        {
            return (kept.swap_remove(found).deflate, true);
        }
        let free = kept.iter().position(|it| it.kind == kind && it.place.is_none());
        let full = || {
            (kept.len() >= COMPRESSORS_MAX).then(|| {
                // Connections that take turns would find the oldest always gone.
                let victim = VICTIM.get();
                VICTIM.set(victim.wrapping_mul(5).wrapping_add(7) % COMPRESSORS_MAX);
                victim
            })
        };
        match free.or_else(full).map(|index| kept.swap_remove(index)) {
            Some(it) if it.kind == kind => (it.deflate, false),
            _ => (new_compressor(kind), false),
        }
    })
}

/// Gives a compressor back. Whoever comes to `place` next may go on with it.
pub(super) fn give_compressor(kind: Kind, place: Option<Place>, deflate: Deflate) {
    COMPRESSORS.with_borrow_mut(|kept| {
        if kept.len() < COMPRESSORS_MAX {
            kept.push(Kept { kind, place, deflate });
        }
    });
}

fn new_compressor(kind: Kind) -> Deflate {
    let bits = i32::from(kind.bits.get());
    Deflate::new_with_config(DeflateConfig {
        level: kind.level.get().into(),
        window_bits: -bits, // negative: raw, without zlib's header
        mem_level: (bits - 7).clamp(1, 8),
        ..DeflateConfig::default()
    })
}

/// A decompressor at the start of a stream.
pub(super) fn take_decompressor() -> Inflate {
    match DECOMPRESSORS.with_borrow_mut(Vec::pop) {
        Some(mut inflate) => {
            inflate.reset(false);
            inflate
        }
        None => Inflate::new(false, WindowBits::MAX.get()),
    }
}

/// Gives a decompressor back, in any state.
pub(super) fn give_decompressor(inflate: Inflate) {
    DECOMPRESSORS.with_borrow_mut(|kept| {
        if kept.len() < DECOMPRESSORS_MAX {
            kept.push(inflate);
        }
    });
}

/// Compressors that a thread keeps: 32 of at most 370 KiB.
const COMPRESSORS_MAX: usize = 32;

/// Decompressors that a thread keeps: 4 of 48 KiB.
const DECOMPRESSORS_MAX: usize = 4;
