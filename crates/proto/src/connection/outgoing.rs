//! The bytes to write next: headers and small payloads side by side, large payloads shared.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes};

use crate::{FrameHeader, Frames, MaskingKey, Prepared, buffers, frames};

/// A queue of encoded frames, as a [`Buf`] for vectored writes.
///
/// Holds no memory while it is empty.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// What is complete, in order. Invariant: no chunk is empty.
    sealed: VecDeque<Bytes>,
    /// What small frames are appended to, behind all of `sealed`.
    open: Vec<u8>,
    /// Bytes already written of the first sealed chunk, or of `open` where there is none.
    start: usize,
    /// Bytes not yet written.
    len: usize,
    /// Bytes ever written.
    written: u64,
}

impl Outgoing {
    /// Appends a frame. A payload of [`COPY_MAX`] bytes or less is copied beside its header; a
    /// longer one is shared, or masked in place where nobody else holds it.
    pub(super) fn push(&mut self, header: &FrameHeader, payload: Bytes) {
        if payload.len() <= COPY_MAX {
            self.push_copied(header, &payload);
            return;
        }
        let start = self.open.len();
        header.encode(&mut self.open);
        self.len += self.open.len() - start + payload.len();
        match header.mask {
            None => self.seal(payload),
            Some(key) => {
                let masked = match payload.try_into_mut() {
                    Ok(mut own) => {
                        MaskingKey::new(key).apply(&mut own);
                        own.freeze()
                    }
                    Err(shared) => {
                        let mut copy = shared.to_vec();
                        MaskingKey::new(key).apply(&mut copy);
                        Bytes::from(copy)
                    }
                };
                self.seal(masked);
            }
        }
    }

    /// Appends a frame, with a copy of its payload.
    pub(super) fn push_copied(&mut self, header: &FrameHeader, payload: &[u8]) {
        self.make_room(FrameHeader::MAX_LEN + payload.len());
        let start = self.open.len();
        header.encode(&mut self.open);
        let payload_start = self.open.len();
        self.open.extend_from_slice(payload);
        if let Some(key) = header.mask {
            MaskingKey::new(key).apply(&mut self.open[payload_start..]);
        }
        self.len += self.open.len() - start;
    }

    /// Appends a frame that was encoded before, for many connections: a short one is copied, a longer one
    /// shared, since it is warm in the caches and a copy for each connection would not be.
    pub(super) fn push_encoded(&mut self, frame: &Bytes) {
        self.len += frame.len();
        if frame.len() > SHARED_MIN {
            self.seal(frame.clone());
        } else {
            self.make_room(frame.len());
            self.open.extend_from_slice(frame);
        }
    }

    /// Appends frames that were encoded before, without a copy where nothing small waits.
    pub(super) fn push_frames(&mut self, frames: Frames) {
        let encoded = frames.into_encoded();
        self.len += encoded.len();
        if self.open.len() + encoded.len() > OPEN_MAX {
            self.seal_open();
        }
        if self.open.is_empty() {
            self.open = encoded;
        } else {
            self.open.extend_from_slice(&encoded);
        }
    }

    /// Puts `payload` behind all that is queued.
    fn seal(&mut self, payload: Bytes) {
        self.seal_open();
        self.sealed.push_back(payload);
    }

    /// Readies `open` for a small frame.
    fn make_room(&mut self, size: usize) {
        if self.open.len() >= OPEN_MAX {
            self.seal_open();
        }
        if self.open.capacity() == 0 {
            self.open.reserve(size.max(frames::CAPACITY));
        }
    }

    fn seal_open(&mut self) {
        let mut open = Bytes::from(std::mem::take(&mut self.open));
        if self.sealed.is_empty() {
            open.advance(std::mem::take(&mut self.start));
        }
        if !open.is_empty() {
            self.sealed.push_back(open);
        }
    }

    /// The place behind all that is queued, counted from the start of the connection.
    pub(super) fn end(&self) -> u64 {
        self.written + self.len as u64
    }

    /// The place of the next byte to write, counted from the start of the connection.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Throws away what is queued. The caller must not append to it again: a frame may be cut.
    pub(super) fn clear(&mut self) {
        *self = Self { written: self.written, ..Self::default() };
    }

    /// What is not written of `open`.
    fn open_rest(&self) -> &[u8] {
        let start = if self.sealed.is_empty() { self.start } else { 0 };
        &self.open[start..]
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        match self.sealed.front() {
            Some(front) => &front[self.start..],
            None => self.open_rest(),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let chunks = self.sealed.iter().map(|chunk| &**chunk).chain([self.open_rest()]);
        let mut written = if self.sealed.is_empty() { 0 } else { self.start };
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks.filter(|chunk| !chunk.is_empty())) {
            *slice = IoSlice::new(&chunk[std::mem::take(&mut written)..]);
            count += 1;
        }
        count
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.len, "advanced past the end of what is queued");
        self.len -= count;
        self.written += count as u64;
        let mut left = count;
        while let Some(front) = self.sealed.front() {
            let rest = front.len() - self.start;
            if left < rest {
                self.start += left;
                return;
            }
            left -= rest;
            self.start = 0;
            if let Some(written) = self.sealed.pop_front() {
                buffers::give(written);
            }
        }
        self.start += left;
        if self.len == 0 {
            self.start = 0;
            self.open = Vec::new();
            if self.sealed.capacity() > 0 {
                self.sealed = VecDeque::new();
            }
        }
    }
}

/// The longest payload that is copied beside its header, in bytes. Beyond it a further slice of a
/// vectored write costs less than the copy.
const COPY_MAX: usize = Frames::MESSAGE_MAX;

/// The longest frame for many connections that is copied, in bytes.
const SHARED_MIN: usize = Prepared::COPIED_MAX + FrameHeader::MAX_LEN;

/// Where the run of small frames is cut, in bytes, so that what was written can be freed while a
/// sender keeps the queue from ever being empty.
const OPEN_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Opcode;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_pace_of_writing_gives_the_same_bytes(
            payloads in prop::collection::vec(
                (0usize..10_000, any::<Option<[u8; 4]>>(), any::<bool>()),
                0..8,
            ),
            steps in prop::collection::vec(1usize..9000, 0..40),
        ) {
            let mut expected = Vec::new();
            let mut outgoing = Outgoing::default();
            for (len, mask, encoded) in payloads {
                let payload: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).expect("small")).collect();
                let mut header = FrameHeader::new(Opcode::Binary, len as u64);
                header.mask = mask;
                let frame = expected.len();
                header.encode(&mut expected);
                let start = expected.len();
                expected.extend_from_slice(&payload);
                if let Some(key) = mask {
                    MaskingKey::new(key).apply(&mut expected[start..]);
                }
                if encoded {
                    outgoing.push_encoded(&Bytes::copy_from_slice(&expected[frame..]));
                } else {
                    outgoing.push(&header, Bytes::from(payload));
                }
            }
            prop_assert_eq!(outgoing.end(), expected.len() as u64);
            let mut actual = Vec::new();
            let mut steps = steps.into_iter().chain(std::iter::repeat(1 << 20));
            while outgoing.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 16];
                let count = outgoing.chunks_vectored(&mut slices);
                let seen: Vec<u8> = slices[..count].iter().flat_map(|it| it.to_vec()).collect();
                prop_assert!(!seen.is_empty());
                prop_assert!(seen.starts_with(outgoing.chunk()));
                let step = steps.next().expect("endless").min(seen.len());
                actual.extend_from_slice(&seen[..step]);
                outgoing.advance(step);
            }
            prop_assert_eq!(actual, expected);
            prop_assert_eq!(outgoing.open.capacity(), 0);
            prop_assert_eq!(outgoing.sealed.capacity(), 0);
        }
    }

    #[test]
    fn a_queue_that_is_never_empty_does_not_grow() {
        let mut outgoing = Outgoing::default();
        let header = FrameHeader::new(Opcode::Binary, 1000);
        outgoing.push_copied(&header, &[1; 1000]);
        let frame = outgoing.remaining();
        for _ in 0..10_000 {
            outgoing.push_copied(&header, &[1; 1000]);
            outgoing.advance(frame);
        }
        assert_eq!(outgoing.remaining(), frame);
        let held: usize = outgoing.sealed.iter().map(Bytes::len).sum();
        assert!(held + outgoing.open.capacity() <= 3 * OPEN_MAX);
    }

    #[test]
    fn a_large_unmasked_payload_is_not_copied() {
        let payload = Bytes::from(vec![7; COPY_MAX + 1]);
        let mut outgoing = Outgoing::default();
        outgoing.push(&FrameHeader::new(Opcode::Binary, payload.len() as u64), payload.clone());
        assert!(outgoing.sealed.iter().any(|chunk| chunk.as_ptr() == payload.as_ptr()));
    }
}
