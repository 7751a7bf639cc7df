//! Compiled SecLang policies and transactions: bytes in, verdict out
