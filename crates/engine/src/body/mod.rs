//! Body and cookie parsers: complete byte slices in, names and values out.
//!
//! None of them recurses on input, and each stops as soon as its sink returns `false`.

pub(crate) mod cookies;
pub(crate) mod json;
pub(crate) mod multipart;
mod multipart_boundary;
mod multipart_disposition;
pub(crate) mod urlencoded;
pub(crate) mod xml;
mod xml_encoding;
pub(crate) mod xpath;
