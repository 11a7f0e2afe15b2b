//! How the weights of a route move: ten points away from a provider that errs or delivers slowly, back toward rest
//! when all are well. Pure. The steps are those that GOV.UK Notify published for its two carriers.

use crate::model::route::FULL;

/// Points of one step.
const STEP: u32 = 10;
/// Fewer observations than this say nothing.
const ENOUGH: u32 = 20;
/// Percent of tries that went wrong from which on a provider is ill.
const ERRORS: u32 = 10;
/// Percent of deliveries that took too long from which on a provider is ill.
const SLOW: u32 = 15;

/// What was seen of a provider lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// Tries that came to an end.
    pub(super) tries: u32,
    /// Those that the provider is to blame for: refused for now, our account refused, no answer.
    pub(super) errors: u32,
    /// Messages whose receipt should have come by now.
    pub(super) deliveries: u32,
    /// Those whose receipt took too long, or has not come.
    pub(super) slow: u32,
}

/// Why weights moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Too many errors.
    Errors,
    /// Too many slow deliveries.
    Slow,
    /// All are well again.
    Rest,
}

impl Why {
    /// The word for rows and events.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Slow => "slow",
            Self::Rest => "rest",
        }
    }
}

impl Health {
    fn illness(self) -> Option<Why> {
        let share = |part: u32, of: u32| part.saturating_mul(100) / of.max(1);
        if self.tries >= ENOUGH && share(self.errors, self.tries) >= ERRORS {
            Some(Why::Errors)
        } else if self.deliveries >= ENOUGH && share(self.slow, self.deliveries) >= SLOW {
            Some(Why::Slow)
        } else {
            None
        }
    }
}

/// The weights after one step of illness, or `None` where nothing moves: nobody who carries something is ill, or
/// nobody who is well is there to take over.
pub(super) fn away(weights: &[u32], health: &[Health]) -> Option<(Vec<u32>, Why)> {
    let illness: Vec<Option<Why>> = health.iter().map(|one| one.illness()).collect();
    let why = weights
        .iter()
        .zip(&illness)
        .find_map(|(weight, illness)| illness.filter(|_| *weight > 0))?;
    let mut moved = weights.to_vec();
    let mut free = 0;
    for (weight, _) in moved
        .iter_mut()
        .zip(&illness)
        .filter(|(_, ill)| ill.is_some())
    {
        let step = STEP.min(*weight);
        *weight -= step;
        free += step;
    }
    // To the first of those that are well: they stand in the order in which staff trust them.
    let heir = illness.iter().position(Option::is_none)?;
    let heir = moved.get_mut(heir)?;
    *heir = (*heir + free).min(FULL);
    Some((moved, why))
}

/// The weights one step nearer to `rest`, or `None` when they are there.
pub(super) fn back(weights: &[u32], rest: &[u32]) -> Option<Vec<u32>> {
    let mut moved = weights.to_vec();
    let surplus = |moved: &[u32]| {
        (0..moved.len())
            .filter(|at| moved[*at] > rest.get(*at).copied().unwrap_or_default())
            .max_by_key(|at| moved[*at] - rest.get(*at).copied().unwrap_or_default())
    };
    let want = |moved: &[u32]| {
        (0..moved.len())
            .filter(|at| moved[*at] < rest.get(*at).copied().unwrap_or_default())
            .max_by_key(|at| rest.get(*at).copied().unwrap_or_default() - moved[*at])
    };
    let (from, to) = (surplus(&moved)?, want(&moved)?);
    let step = STEP.min(moved[from] - rest[from]).min(rest[to] - moved[to]);
    moved[from] -= step;
    moved[to] += step;
    Some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Health = Health {
        tries: 100,
        errors: 1,
        deliveries: 100,
        slow: 3,
    };

    #[test]
    fn ten_points_leave_who_errs_and_come_back() {
        let ill = Health { errors: 10, ..WELL };
        let (weights, why) = away(&[100, 0], &[ill, WELL]).unwrap();
        assert_eq!(
            (weights.as_slice(), why),
            ([90, 10].as_slice(), Why::Errors)
        );
        let (weights, _) = away(&weights, &[ill, WELL]).unwrap();
        assert_eq!(weights, [80, 20]);
        assert_eq!(away(&weights, &[WELL, WELL]), None);
        let weights = back(&weights, &[100, 0]).unwrap();
        assert_eq!(weights, [90, 10]);
        assert_eq!(back(&[100, 0], &[100, 0]), None);
    }

    #[test]
    fn slow_delivery_counts_as_well_and_nothing_moves_if_all_are_slow() {
        let slow = Health { slow: 15, ..WELL };
        assert_eq!(
            away(&[50, 50], &[slow, WELL]),
            Some((vec![40, 60], Why::Slow))
        );
        assert_eq!(away(&[50, 50], &[slow, slow]), None);
    }

    #[test]
    fn few_observations_say_nothing() {
        let few = Health {
            tries: 19,
            errors: 19,
            deliveries: 19,
            slow: 19,
        };
        assert_eq!(away(&[100, 0], &[few, Health::default()]), None);
    }

    #[test]
    fn the_points_stay_as_many_whatever_happens() {
        let ill = Health { errors: 50, ..WELL };
        let mut weights = vec![35, 35, 30];
        for turn in 0..40 {
            let health = [0, 1, 2].map(|at| if turn / 10 == at { ill } else { WELL });
            if let Some((moved, _)) = away(&weights, &health) {
                weights = moved;
            }
            assert_eq!(weights.iter().sum::<u32>(), FULL, "{weights:?}");
        }
        let mut steps = 0;
        while let Some(moved) = back(&weights, &[35, 35, 30]) {
            weights = moved;
            steps += 1;
        }
        assert_eq!(weights, [35, 35, 30]);
        assert!(steps <= 10, "{steps}");
    }

    #[test]
    fn who_is_ill_and_carries_nothing_moves_nothing() {
        let ill = Health { errors: 50, ..WELL };
        assert_eq!(away(&[100, 0], &[WELL, ill]), None);
    }
}
