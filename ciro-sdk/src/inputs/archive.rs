//! Archives of arrays: numpy's `.npz`, a ZIP file of `.npy` arrays.

use std::io::{Cursor, Read};

use super::{InputArray, InputError, MAX_INPUT_BYTES, npy};

/// Decodes the arrays of an archive, each named like its entry.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<InputArray>, InputError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))?;
    if entries(bytes, archive.central_directory_start()) != archive.len() {
        // Other readers take the first of two, or the last.
        return Err(InputError::DuplicateArrays);
    }
    let mut arrays = Vec::new();
    let limit = memory_limit();
    let mut left = limit;
    for index in 0..archive.len() {
        let entry = archive.by_index(index)?;
        let name = entry.name().strip_suffix(".npy").unwrap_or(entry.name()).to_owned();
        let mut content = Vec::new();
        let damaged = |problem: String| InputError::Npy { name: name.clone(), problem };
        let read = entry.take(left.saturating_add(1)).read_to_end(&mut content);
        read.map_err(|error| damaged(error.to_string()))?;
        let too_large =
            || damaged(format!("the archive's numbers take more than {limit} bytes of memory"));
        let numbers = npy::elements(&content).unwrap_or(content.len());
        let taken =
            numbers.checked_mul(size_of::<f64>()).and_then(|bytes| u64::try_from(bytes).ok());
        let read = u64::try_from(content.len()).map_err(|_| too_large())?;
        left = taken.and_then(|taken| left.checked_sub(taken.max(read))).ok_or_else(too_large)?;
        arrays.push(InputArray { name: Some(name.clone()), ..npy::parse(&content, &name)? });
    }
    Ok(arrays)
}

/// The memory that the numbers of a packed file may take, in bytes: a quarter of what the machine
/// has free. A small file can hold a great many zeros.
fn memory_limit() -> u64 {
    let free = crate::machine::available_memory().unwrap_or(u64::MAX);
    MAX_INPUT_BYTES.min(free / 4)
}

/// The entries of a ZIP archive's directory, equal names included.
fn entries(bytes: &[u8], directory: u64) -> usize {
    let mut rest = usize::try_from(directory).ok().and_then(|at| bytes.get(at..)).unwrap_or(&[]);
    let mut count = 0;
    while let (true, Some(head)) = (rest.starts_with(b"PK\x01\x02"), rest.get(..46)) {
        // The lengths of name, extra field and comment.
        let lengths =
            [28, 30, 32].map(|at| usize::from(u16::from_le_bytes([head[at], head[at + 1]])));
        rest = rest.get(46 + lengths.iter().sum::<usize>()..).unwrap_or(&[]);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::Inputs;
    use super::*;

    /// An archive of arrays of bytes that are zero.
    fn packed(names: &[&str], elements: usize) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = zip::ZipWriter::new(&mut bytes);
        let options = zip::write::SimpleFileOptions::default();
        let header =
            format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({elements},), }}\n");
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        for name in names {
            writer.start_file(*name, options).unwrap();
            let array =
                [npy::MAGIC, &[1, 0], &length, header.as_bytes(), &vec![0; elements]].concat();
            std::io::Write::write_all(&mut writer, &array).unwrap();
        }
        writer.finish().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn an_archive_has_each_array_once() {
        let twice = packed(&["a.npy", "b.npy"], 3);
        assert_eq!(Inputs::from_bytes(&twice, "f").unwrap().sets()[0].len(), 2);
        // The writer refuses two equal names; a stranger's does not.
        let at =
            |from: usize| twice[from..].windows(5).position(|it| it == b"b.npy").unwrap() + from;
        let (first, mut forged) = (at(0), twice.clone());
        let second = at(first + 1);
        forged[first] = b'a';
        forged[second] = b'a';
        let error = Inputs::from_bytes(&forged, "f").unwrap_err();
        assert!(matches!(error, InputError::DuplicateArrays), "{error}");
    }
}
