//! Would Lambda start this file? Its format, its machine, its C library.
//!
//! Reads bytes; runs nothing.

use std::fmt;
use std::path::Path;

use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64};
use object::read::elf::FileHeader;
use object::{Endianness, FileKind};

use super::super::{Error, Result};

/// A processor architecture that Lambda has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Architecture {
    /// 64-bit Intel and AMD.
    X86_64,
    /// 64-bit Arm (Graviton).
    Arm64,
}

impl Architecture {
    /// As in a template's `Architectures`, and in the names of SAM's files.
    pub fn sam_name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// This machine's, if Lambda has it.
    pub fn here() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Arm64),
            _ => None,
        }
    }

    fn of_machine(machine: u16) -> Option<Self> {
        match machine {
            EM_X86_64 => Some(Self::X86_64),
            EM_AARCH64 => Some(Self::Arm64),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sam_name())
    }
}

/// A version of the GNU C library, as in a symbol's version `GLIBC_2.34`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Glibc(u32, u32);

/// Amazon Linux 2023's (docs.aws.amazon.com/linux/al2023, "glibc").
const NEWEST: Glibc = Glibc(2, 34);

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Glibc {
    /// `GLIBC_2.17` and `GLIBC_2.2.5` are versions; `GLIBC_PRIVATE` and other
    /// libraries' are not.
    fn parse(version: &[u8]) -> Option<Self> {
        let version = std::str::from_utf8(version).ok()?.strip_prefix("GLIBC_")?;
        let mut parts = version.split('.');
        Some(Self(
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
        ))
    }
}

/// Refuses an architecture this machine does not build for.
pub(super) fn require_buildable(wanted: Architecture) -> Result<()> {
    if Architecture::here() == Some(wanted) {
        return Ok(());
    }
    Err(Error::Architecture {
        what: "this machine".to_owned(),
        found: std::env::consts::ARCH.replace("aarch64", "arm64"),
        wanted: wanted.to_string(),
    })
}

/// Refuses a file that Lambda could not start on `wanted`.
pub(super) fn check(path: &Path, content: &[u8], wanted: Architecture) -> Result<()> {
    let refused = |why: &str| Error::NotExecutable {
        binary: path.to_path_buf(),
        why: why.to_owned(),
    };
    match FileKind::parse(content) {
        Ok(FileKind::Elf64) => {}
        Ok(_) => return Err(refused("its format is not 64-bit ELF")),
        Err(_) => return Err(refused("its format is unknown")),
    }
    let elf = read_elf(content).map_err(|error| refused(&error.to_string()))?;
    match Architecture::of_machine(elf.machine) {
        Some(found) if found == wanted => {}
        found => {
            return Err(Error::Architecture {
                what: path.display().to_string(),
                found: found.map_or_else(
                    || format!("machine type {}", elf.machine),
                    |found| found.to_string(),
                ),
                wanted: wanted.to_string(),
            });
        }
    }
    match elf.glibc {
        Some(found) if found > NEWEST => Err(Error::Glibc {
            binary: path.to_path_buf(),
            found: found.to_string(),
            newest: NEWEST.to_string(),
        }),
        _ => Ok(()),
    }
}

/// What matters of an ELF file.
#[derive(Debug, Eq, PartialEq)]
struct Elf {
    machine: u16,
    /// The newest version any symbol asks for; none for a static binary.
    glibc: Option<Glibc>,
}

fn read_elf(content: &[u8]) -> object::Result<Elf> {
    let header = FileHeader64::<Endianness>::parse(content)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, content)?;
    let mut glibc = None;
    if let Some((mut needed, strings)) = sections.gnu_verneed(endian, content)? {
        let strings = sections.strings(endian, content, strings)?;
        while let Some((_, mut versions)) = needed.next()? {
            while let Some(version) = versions.next()? {
                glibc = glibc.max(Glibc::parse(version.name(endian, strings)?));
            }
        }
    }
    Ok(Elf {
        machine: header.e_machine(endian),
        glibc,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header with no sections, as of a static binary.
    fn header(machine: u16) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        bytes[16] = 2; // executable
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[20] = 1;
        bytes[52] = 64; // size of this header
        bytes
    }

    #[test]
    fn glibc_versions_are_ordered_as_numbers() {
        let parse = |text: &str| Glibc::parse(text.as_bytes());
        assert_eq!(parse("GLIBC_2.2.5"), Some(Glibc(2, 2)));
        assert!(parse("GLIBC_2.9") < parse("GLIBC_2.34"));
        assert!(parse("GLIBC_2.35").unwrap() > NEWEST);
        assert!(parse("GLIBC_2.34").unwrap() <= NEWEST);
        assert_eq!(parse("GLIBC_PRIVATE"), None);
        assert_eq!(parse("GCC_3.0"), None);
    }

    #[test]
    fn a_static_binary_of_the_right_machine_passes() {
        let path = Path::new("bootstrap");
        assert!(check(path, &header(EM_X86_64), Architecture::X86_64).is_ok());
        assert!(check(path, &header(EM_AARCH64), Architecture::Arm64).is_ok());
    }

    #[test]
    fn a_binary_of_another_machine_is_refused() {
        let path = Path::new("bootstrap");
        let error = check(path, &header(EM_X86_64), Architecture::Arm64).unwrap_err();
        assert!(matches!(error, Error::Architecture { .. }));
        let text = error.to_string();
        assert!(text.contains("bootstrap is for x86_64"), "{text}");
        assert!(text.contains("arm64"), "{text}");
        let other = check(path, &header(243), Architecture::Arm64).unwrap_err();
        assert!(other.to_string().contains("machine type 243"), "{other}");
    }

    #[test]
    fn what_is_not_elf_is_refused() {
        for content in [
            &b"#!/bin/sh\necho hello, this is no ELF file\n"[..],
            b"",
            b"\x7fELF",
        ] {
            let error = check(Path::new("bootstrap"), content, Architecture::X86_64);
            assert!(
                matches!(error, Err(Error::NotExecutable { .. })),
                "{error:?}"
            );
        }
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
    fn this_test_binary_needs_a_c_library() {
        let me = std::env::current_exe().unwrap();
        let elf = read_elf(&std::fs::read(me).unwrap()).unwrap();
        assert_eq!(Architecture::of_machine(elf.machine), Architecture::here());
        assert!(elf.glibc.unwrap() >= Glibc(2, 2));
    }
}
