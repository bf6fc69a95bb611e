//! What was remarkable in an import, as a CSV file that can be mended in a spreadsheet: `line,email,level,message`.

use std::io::Write;

use super::export::escaped;
use super::import::Remark;

/// A file of remarks under way.
pub struct Errors<W: Write>(csv::Writer<W>);

impl<W: Write> Errors<W> {
    /// Begins the file with its header.
    pub fn new(out: W) -> std::io::Result<Self> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(["line", "email", "level", "message"])?;
        Ok(Self(csv))
    }

    /// Adds remarks.
    pub fn add(&mut self, remarks: &[Remark]) -> std::io::Result<()> {
        for remark in remarks {
            let cells = [remark.line.to_string(), escaped(&remark.email), remark.level.to_owned(), escaped(&remark.message)];
            self.0.write_record(cells)?;
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
