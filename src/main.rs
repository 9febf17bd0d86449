//! The `vox` program: hands the command line to the library.

fn main() -> std::process::ExitCode {
    vox::cli::dispatch::main()
}
