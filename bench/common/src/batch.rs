//! The best echo loop of a library whose `feed` buffers: all that is there is answered in one write.

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};

/// Sends back what `answer` makes of each item. Up to `most` items that can be had without waiting are
/// answered before a flush.
pub async fn echo<T, M, E>(
    socket: &mut T,
    most: usize,
    answer: impl Fn(T::Item) -> Result<Option<M>, E>,
) -> Result<(), E>
where
    T: Stream + Sink<M, Error = E> + Unpin,
{
    while let Some(first) = socket.next().await {
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(item) = next {
            if let Some(message) = answer(item)? {
                socket.feed(message).await?;
            }
            taken += 1;
            // An end shows again at the next call.
            next = if taken < most { socket.next().now_or_never().flatten() } else { None };
        }
        socket.flush().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    /// A socket on which each item of the input arrives by itself, or behind a wait.
    #[derive(Default)]
    struct Socket {
        input: VecDeque<Option<u32>>,
        /// What was flushed together.
        writes: Vec<Vec<u32>>,
        fed: Vec<u32>,
    }

    impl Stream for Socket {
        type Item = u32;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
            match self.input.pop_front() {
                Some(None) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(item) => Poll::Ready(item),
                None => Poll::Ready(None),
            }
        }
    }

    impl Sink<u32> for Socket {
        type Error = Infallible;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn start_send(mut self: Pin<&mut Self>, item: u32) -> Result<(), Infallible> {
            self.fed.push(item);
            Ok(())
        }

        fn poll_flush(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<(), Infallible>> {
            let write = std::mem::take(&mut self.fed);
            self.writes.push(write);
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn writes(input: &[Option<u32>], most: usize) -> Vec<Vec<u32>> {
        let mut socket = Socket { input: input.iter().copied().collect(), ..Socket::default() };
        let odd = |item| Ok(Some(item).filter(|item| item % 2 == 1));
        let Ok(()) = echo(&mut socket, most, odd).await;
        socket.writes
    }

    #[tokio::test]
    async fn what_is_there_goes_out_in_one_write() {
        let input = [Some(1), Some(2), Some(3), None, Some(5), Some(7)];
        assert_eq!(writes(&input, usize::MAX).await, [vec![1, 3], vec![5, 7]]);
    }

    #[tokio::test]
    async fn no_more_than_the_most_wait_for_a_write() {
        let input = [Some(1), Some(3), Some(5)];
        assert_eq!(writes(&input, 2).await, [vec![1, 3], vec![5]]);
    }
}
