//! The machine against a model.
