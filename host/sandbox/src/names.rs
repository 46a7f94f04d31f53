//! Names of functions in a module. wasmtime copies them into the trace of every trap, up to twenty at a time, so a module
//! that brings names of megabytes would have the agent hold hundreds of them for each call that fails.

use wasmparser::{CustomSectionReader, KnownCustom, Name};

/// Bytes of a function's name: mangled ones of generic Rust and C++ have some thousand.
const FUNCTION_NAME_BYTES_MAX: usize = 64 << 10;

/// Looks through a custom section, if it is one of names.
///
/// # Errors
/// In words: a name is too long.
pub(crate) fn check(section: &CustomSectionReader<'_>) -> Result<(), String> {
    let KnownCustom::Name(names) = section.as_known() else { return Ok(()) };
    // What makes no sense in such a section is left out by whoever reads it, and so it is here.
    for name in names.into_iter().flatten() {
        let Name::Function(functions) = name else { continue };
        for function in functions.into_iter().flatten() {
            let bytes = function.name.len();
            if bytes > FUNCTION_NAME_BYTES_MAX {
                let index = function.index;
                return Err(format!(
                    "the name of function {index} has {bytes} bytes, and {FUNCTION_NAME_BYTES_MAX} is the most"
                ));
            }
        }
    }
    Ok(())
}
