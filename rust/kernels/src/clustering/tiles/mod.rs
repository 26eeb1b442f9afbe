//! Neighbours in any number of dimensions: tiles of up to 64 points that lie close together.
//!
//! Points are partitioned by a tree of boxes (few dimensions) or into balls around pivots (many). Each tile keeps
//! its points in single precision, relative to its own centre and in units of the search radius, sixteen lanes
//! beside each other. A pair of tiles is first tried as a whole (box, ball), then point against tile, and what is
//! left point against point, four times sixteen pairs at once. That filter has a proven error (see [`block`]); pairs
//! within it are decided by the contract's own expression on the original rows, so the filter costs no exactness,
//! whatever offset the data have.
//!
//! O(n · width) space: half the input in double precision, plus boxes of a sixteenth. Time is that of the pairs of
//! tiles that cannot be told apart; at worst O(n² · width), when every point is near every other and none is core.

mod balls;
mod block;
mod geometry;
mod index;
mod label;
mod nearest;
mod passes;
mod tree;

pub(super) use nearest::k_distances;
pub(super) use passes::{dbscan, predict};
