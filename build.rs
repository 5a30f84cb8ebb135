//! Nothing is built here: the script exists so that cargo fetches the build dependency whose folder holds protoc.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
