//! The `postrider` binary: everything is in the library.

/// Building a site of thousands of pages is a third memory management with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    postrider::cli::main()
}
