//! Remote systems behind the seams
