//! Which file each published version goes to.

use std::collections::BTreeMap;

use super::{LocalFile, Published, by_version};
use crate::catalog::Service;

/// Where a version goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The local file of this number.
    File(usize),
    /// A new file for the published group of this number.
    New(usize),
}

/// The place of each version of each group.
pub(super) fn places(
    local: &[LocalFile],
    published: &[Published],
) -> BTreeMap<(usize, String), Place> {
    let services = services_after(local, published);
    let mut places = BTreeMap::new();
    for (group, from) in published.iter().enumerate() {
        let of_service = |at: usize| {
            local[at].entry.connector == from.connector && services[at] == key(&from.service)
        };
        for version in &from.versions {
            let own = holder(local, &from.connector, version).filter(|at| of_service(*at));
            let any = || (0..local.len()).find(|at| of_service(*at));
            let place = own.or_else(any).map_or(Place::New(group), Place::File);
            places.insert((group, version.clone()), place);
        }
    }
    places
}

/// The service of each local file when all is done: a file all of whose versions have gone to other
/// services goes with them rather than staying behind empty.
fn services_after(local: &[LocalFile], published: &[Published]) -> Vec<(String, i64)> {
    let after = |file: &LocalFile| {
        let entry = &file.entry;
        let group_of = |version: &String| {
            published
                .iter()
                .find(|from| from.connector == entry.connector && from.versions.contains(version))
        };
        let groups: Option<Vec<&Published>> = entry.versions.iter().map(group_of).collect();
        let stays = |groups: &Vec<&Published>| {
            groups
                .iter()
                .any(|from| key(&from.service) == key(&entry.service))
        };
        match groups.filter(|groups| !stays(groups)) {
            Some(groups) => groups
                .first()
                .map_or(key(&entry.service), |from| key(&from.service)),
            None => key(&entry.service),
        }
    };
    local.iter().map(after).collect()
}

fn key(service: &Service) -> (String, i64) {
    (service.name.clone(), service.version)
}

/// The local file that has a version now.
pub(super) fn holder(local: &[LocalFile], connector: &str, version: &str) -> Option<usize> {
    local.iter().position(|file| {
        file.entry.connector == connector && file.entry.versions.iter().any(|own| own == version)
    })
}

/// The versions that go to a place, in order.
pub(super) fn versions_at(place: Place, places: &BTreeMap<(usize, String), Place>) -> Vec<String> {
    let mut versions: Vec<String> = places
        .iter()
        .filter(|(_, to)| **to == place)
        .map(|((_, version), _)| version.clone())
        .collect();
    versions.sort_by(|a, b| by_version(a, b));
    versions
}
