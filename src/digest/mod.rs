//! Choose Articles, freeze an Issue.
