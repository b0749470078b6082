//! One asset over time: what its partitions said of themselves when they were last built.

use super::read::{History, json};
use super::schema::Trouble;
use rusqlite::{Row, params};
use serde_json::Value;

/// What was published of one partition, the last time.
#[derive(Debug, Clone)]
pub struct Point {
    pub key: Option<String>,
    pub run: i64,
    pub started: i64,
    pub seconds: f64,
    pub peak_memory: u64,
    pub metadata: Value,
}

impl Point {
    /// What can be drawn: numbers of the metadata by their names, and what the build took.
    pub fn numbers(&self) -> Vec<(String, f64)> {
        let told = self.metadata.as_object().into_iter().flatten();
        let told = told.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
        let took = [("seconds".to_string(), self.seconds), ("peak_memory".into(), self.peak_memory as f64)];
        told.chain(took).collect()
    }
}

/// The last partitions of an asset's op, by key, the oldest first. Of an asset without partitions, its last runs.
pub fn points(history: &History, asset: &str, op: &str, most: usize) -> Result<Vec<Point>, Trouble> {
    let Some(connection) = &history.connection else { return Ok(Vec::new()) };
    // Of those without a key each is one.
    let last = "SELECT max(id) FROM actions WHERE asset = ?1 AND op = ?2 AND outcome = 'built' GROUP BY coalesce(key, id)";
    let columns = "key, run, started, seconds, peak_memory, metadata";
    let sql = &format!("SELECT {columns} FROM actions WHERE id IN ({last}) ORDER BY key DESC, id DESC LIMIT ?3");
    let mut query = connection.prepare(sql)?;
    let of = |row: &Row| {
        let peak: Option<i64> = row.get(4)?;
        let seconds: Option<f64> = row.get(3)?;
        let metadata = json(row.get(5)?);
        let (seconds, peak_memory) = (seconds.unwrap_or_default(), peak.unwrap_or_default().max(0) as u64);
        Ok(Point { key: row.get(0)?, run: row.get(1)?, started: row.get(2)?, seconds, peak_memory, metadata })
    };
    let mut points = query.query_map(params![asset, op, most as i64], of)?.collect::<rusqlite::Result<Vec<_>>>()?;
    points.reverse();
    Ok(points)
}
