//! How one request or answer travels: four bytes of length, little-endian, and so many bytes.

use std::io;

use libp2p::StreamProtocol;
use libp2p::futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::request_response::Codec;

use crate::metrics::Metrics;

/// The longest request and the longest answer of a protocol, in bytes.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    /// Counts what is refused: of a request that is not read to its end nobody else hears.
    pub(super) metrics: Metrics,
    pub(super) request_max: usize,
    pub(super) answer_max: usize,
}

impl Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let read = read(io, self.request_max).await;
        read.inspect_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                tracing::warn!(%error, "a frame is refused");
                self.metrics.net_refused("frame_too_long");
            }
        })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.answer_max).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &bytes, self.request_max).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &bytes, self.answer_max).await
    }
}

/// Reads a frame. The length is the sender's claim: it is checked first, and memory grows with what
/// really follows.
async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let claimed = u32::from_le_bytes(length);
    let length = usize::try_from(claimed).unwrap_or(usize::MAX);
    if length > max {
        let reason = format!("a frame of {length} bytes, at most {max} are allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let mut bytes = Vec::new();
    io.take(u64::from(claimed)).read_to_end(&mut bytes).await?;
    if bytes.len() < length {
        let reason = format!("a frame of {length} bytes ends after {}", bytes.len());
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
    }
    Ok(bytes)
}

async fn write<T: AsyncWrite + Unpin + Send>(
    io: &mut T,
    bytes: &[u8],
    max: usize,
) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= max);
    let length = length.ok_or_else(|| {
        let reason = format!("{} bytes do not fit into a frame of {max}", bytes.len());
        io::Error::new(io::ErrorKind::InvalidInput, reason)
    })?;
    io.write_all(&length.to_le_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

#[cfg(test)]
mod tests {
    use libp2p::futures::executor::block_on;
    use libp2p::futures::io::Cursor;

    use super::*;

    #[test]
    fn a_frame_comes_back_as_it_went() {
        let mut wire = Vec::new();
        block_on(write(&mut Cursor::new(&mut wire), b"seven b", 7)).unwrap();
        assert_eq!(block_on(read(&mut Cursor::new(&wire), 7)).unwrap(), b"seven b");
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_anything_is_read() {
        let wire = u32::MAX.to_le_bytes();
        let refused = block_on(read(&mut Cursor::new(wire), 7)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert!(block_on(write(&mut Cursor::new(Vec::new()), &[0; 8], 7)).is_err());
    }

    #[test]
    fn a_frame_that_ends_early_is_refused() {
        for wire in [&[][..], &[1, 0], &[2, 0, 0, 0, 9]] {
            let refused = block_on(read(&mut Cursor::new(wire), 7)).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
