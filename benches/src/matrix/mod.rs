//! Matrices of settings, run on fresh servers: `baseline`, a few common ones several times, and
//! `sweep`, lines through the whole range. Owns which cells there are, the results file (a line of
//! JSON per run), and what is made of it: tables, charts, advice, and a comparison of two states of
//! the program. What runs and what reports know of each other through the file alone.

pub mod advice;
pub mod cell;
pub mod charts;
pub mod choice;
pub mod compare;
pub mod documents;
pub mod line;
pub mod link;
pub mod measure;
pub mod results;
pub mod run;
pub mod series;
pub mod tables;

#[cfg(test)]
mod recorded;
