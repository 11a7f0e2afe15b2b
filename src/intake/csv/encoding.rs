//! Text of tables in the encodings that hospitals send: UTF-8, GBK and GB18030, and Excel's UTF-16.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use encoding_rs::{Decoder, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

/// How a file is encoded, found by its first bytes or by trying all of it as UTF-8.
pub(super) fn detect(file: &Path) -> io::Result<&'static Encoding> {
    let mut reader = BufReader::new(File::open(file)?);
    let mut buffer = vec![0; 64 * 1024];
    let mut kept = 0;
    let mut first = true;
    loop {
        let read = reader.read(&mut buffer[kept..])?;
        let have = &buffer[..kept + read];
        if first {
            first = false;
            match have {
                [0xef, 0xbb, 0xbf, ..] => return Ok(UTF_8),
                [0xff, 0xfe, ..] => return Ok(UTF_16LE),
                [0xfe, 0xff, ..] => return Ok(UTF_16BE),
                _ => {}
            }
        }
        match std::str::from_utf8(have) {
            Ok(_) if read == 0 => return Ok(UTF_8),
            Ok(_) => kept = 0,
            // A character may go on in the next part of the file.
            Err(error) if error.error_len().is_none() && read > 0 => {
                let from = error.valid_up_to();
                kept += read;
                buffer.copy_within(from..kept, 0);
                kept -= from;
            }
            Err(_) => return Ok(GB18030),
        }
    }
}

/// The file as UTF-8. What cannot be read is U+FFFD.
pub(super) struct Decoded {
    file: File,
    decoder: Decoder,
    raw: Vec<u8>,
    text: String,
    /// How far `text` was handed out.
    handed: usize,
    ended: bool,
}

impl Decoded {
    pub(super) fn open(file: &Path, encoding: &'static Encoding) -> io::Result<Self> {
        let decoder = encoding.new_decoder_with_bom_removal();
        Ok(Self {
            file: File::open(file)?,
            decoder,
            raw: vec![0; 64 * 1024],
            text: String::new(),
            handed: 0,
            ended: false,
        })
    }

    fn decode_more(&mut self) -> io::Result<()> {
        let read = self.file.read(&mut self.raw)?;
        self.ended = read == 0;
        self.text.clear();
        self.handed = 0;
        self.text.reserve(
            self.decoder
                .max_utf8_buffer_length(read)
                .unwrap_or(4 * read + 16),
        );
        // The room is enough for all of it, so nothing is left over.
        let _ = self
            .decoder
            .decode_to_string(&self.raw[..read], &mut self.text, self.ended);
        Ok(())
    }
}

impl Read for Decoded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.handed == self.text.len() && !self.ended {
            self.decode_more()?;
        }
        let waiting = &self.text.as_bytes()[self.handed..];
        let count = waiting.len().min(out.len());
        out[..count].copy_from_slice(&waiting[..count]);
        self.handed += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{Decoded, detect};

    #[track_caller]
    fn check(bytes: &[u8], name: &str, expected: &str) {
        let file =
            std::env::temp_dir().join(format!("carebell-test-{}", uuid::Uuid::now_v7().simple()));
        std::fs::write(&file, bytes).expect("the temporary folder takes a file");
        let encoding = detect(&file).expect("it can be read");
        let mut text = String::new();
        Decoded::open(&file, encoding)
            .and_then(|mut decoded| decoded.read_to_string(&mut text))
            .expect("it can be decoded");
        std::fs::remove_file(&file).expect("it can be removed");
        assert_eq!((encoding.name(), text.as_str()), (name, expected));
    }

    #[test]
    fn encodings_are_told_apart() {
        check("姓名\n".as_bytes(), "UTF-8", "姓名\n");
        check("\u{feff}姓名\n".as_bytes(), "UTF-8", "姓名\n");
        check(b"\xd0\xd5\xc3\xfb\n", "gb18030", "姓名\n");
        check(b"\xff\xfe\xd3Y\x0dT", "UTF-16LE", "姓名");
        check(b"", "UTF-8", "");
        let long = "国".repeat(100_000);
        check(long.as_bytes(), "UTF-8", &long);
        let (gbk, _, _) = encoding_rs::GBK.encode(&long);
        check(&gbk, "gb18030", &long);
    }
}
