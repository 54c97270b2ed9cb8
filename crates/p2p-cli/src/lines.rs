//! Lines of standard input, each a message.

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use crate::{failure::Failure, units::counted};

/// Reads lines of any bytes, none longer than a message may be.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    /// In bytes.
    max_line: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(input: R, max_line: usize) -> Self {
        Self {
            input: BufReader::with_capacity(64 * 1024, input),
            max_line,
        }
    }

    /// The next line without its newline, or `None` at the end. The last line may lack the newline.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: part of a line is lost.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut line = Vec::new();
        // The newline is allowed beyond the line.
        let most = self.max_line.saturating_add(1);
        let mut input = (&mut self.input).take(most as u64);
        match input.read_until(b'\n', &mut line).await {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) => {
                return Err(Failure::new(
                    "input",
                    "unreadable_input",
                    format!("can not read standard input: {error}"),
                ));
            }
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > self.max_line {
            return Err(Failure::new(
                "input",
                "message_too_large",
                format!(
                    "a line of standard input has more than {}: no message may be longer",
                    counted(self.max_line, "byte")
                ),
            ));
        }
        Ok(Some(line.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &'static [u8], max_line: usize) -> (Vec<Bytes>, Option<Failure>) {
        let mut lines = Lines::new(input, max_line);
        let mut read = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(line)) => read.push(line),
                Ok(None) => return (read, None),
                Err(failure) => return (read, Some(failure)),
            }
        }
    }

    #[tokio::test]
    async fn newlines_are_taken_off_and_the_last_one_may_be_missing() {
        assert!(lines(b"", 9).await.0.is_empty());
        assert_eq!(lines(b"\n", 9).await.0, [&b""[..]]);
        assert_eq!(lines(b"a\n\nb\r\n", 9).await.0, [&b"a"[..], b"", b"b\r"]);
        assert_eq!(lines(b"a\nb", 9).await.0, [&b"a"[..], b"b"]);
    }

    #[tokio::test]
    async fn a_line_of_the_maximum_passes_and_one_byte_more_does_not() {
        assert_eq!(lines(b"1234\n5678", 4).await.0.len(), 2);
        for input in [&b"12345\n"[..], b"12345"] {
            let (read, failure) = lines(input, 4).await;
            assert!(read.is_empty());
            assert_eq!(failure.unwrap().error, "message_too_large");
        }
    }
}
