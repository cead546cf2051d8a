//! cosmoe_router_config and cosmoe_plan_config: the library's configurations, field by field.

use cosmoe::{
    BiasPlacement, Capacity, DropPolicy, Gate, GroupScore, PlanConfig, RouterConfig, Score,
};

use crate::growing::{self, Growing};
use crate::status::{Failure, Result, cosmoe_status, guard};

/// How a token row x and an expert row w give a score.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum cosmoe_score {
    /// `<x,w> / (|x| + tau_token) / (|w| + tau_expert)`.
    COSMOE_SCORE_PERTURBED_COSINE = 0,
    /// `<x,w> / |x| / |w|`.
    COSMOE_SCORE_COSINE = 1,
    /// `<x,w>`.
    COSMOE_SCORE_LINEAR = 2,
    /// `-|x - w|`.
    COSMOE_SCORE_LAPLACE = 3,
}

/// How the selected experts' logits become weights.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum cosmoe_gate {
    /// Softmax over the selected experts.
    COSMOE_GATE_SOFTMAX_SELECTED = 0,
    /// Softmax over all experts.
    COSMOE_GATE_SOFTMAX_ALL = 1,
    /// 1 / (1 + exp(-z)).
    COSMOE_GATE_SIGMOID = 2,
    /// sqrt(log1p(exp(z))).
    COSMOE_GATE_SQRT_SOFTPLUS = 3,
    /// The logit itself.
    COSMOE_GATE_IDENTITY = 4,
}

/// Where a bias acts.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum cosmoe_bias_placement {
    /// Selection and gate read z + b.
    COSMOE_BIAS_IN_SCORE = 0,
    /// Selection reads z, the gate reads z + b.
    COSMOE_BIAS_AFTER_SELECTION = 1,
    /// Selection reads g(z) + b, the gate reads z.
    COSMOE_BIAS_SELECTION_ONLY = 2,
}

/// How a group of experts is scored.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum cosmoe_group_score {
    /// The sum of the two best selection scores of the group.
    COSMOE_GROUP_SUM_OF_TOP_TWO = 0,
    /// The best selection score of the group.
    COSMOE_GROUP_MAX = 1,
}

/// How many assignments an expert takes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum cosmoe_capacity {
    /// All of them.
    COSMOE_CAPACITY_UNLIMITED = 0,
    /// capacity_per_expert.
    COSMOE_CAPACITY_PER_EXPERT = 1,
    /// ceil(T*K * capacity_factor / E - 1e-9), where T counts masked rows too.
    COSMOE_CAPACITY_FACTOR = 2,
}

/// Which assignments of an expert beyond its capacity are dropped.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum cosmoe_drop_policy {
    /// The highest assignment indices.
    COSMOE_DROP_BY_POSITION = 0,
    /// The lowest weights, among equal ones the highest assignment indices.
    COSMOE_DROP_BY_WEIGHT = 1,
}

/// What a router computes. Fill it with cosmoe_router_config_init, then change what differs.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_router_config {
    /// sizeof(cosmoe_router_config).
    pub struct_size: usize,
    /// E, 1 or more.
    pub num_experts: i64,
    /// K, 1 to E: experts selected per token.
    pub top_k: i64,
    /// A cosmoe_score; perturbed cosine by default.
    pub score: i32,
    /// Perturbed cosine: added to a token's L2 norm; finite, 0 or more; 0 by default.
    pub tau_token: f32,
    /// Perturbed cosine: added to an expert's L2 norm; finite, 0 or more; 1e-3 by default.
    pub tau_expert: f32,
    /// 1 / temperature, from score to logit; finite, above 0; 1 by default.
    pub scale: f32,
    /// A cosmoe_gate; softmax over the selected by default.
    pub gate: i32,
    /// Not 0 to divide weights by their sum over the selected. Of softmax over all, sigmoid and sqrt-softplus; of no
    /// meaning with the others.
    pub renormalize: i32,
    /// A cosmoe_bias_placement; in the score by default. Without a bias it says nothing.
    pub bias_placement: i32,
    /// A cosmoe_group_score; the sum of the top two by default.
    pub group_score: i32,
    /// G, a divisor of E: experts are G groups of E/G, of which the best are kept. 0, no groups, by default.
    pub num_groups: i64,
    /// g, 1 to G: groups kept per token. 0 without groups.
    pub top_groups: i64,
    /// Factor on every weight; finite, 0 or more; 1 by default.
    pub route_scale: f32,
    /// 0. It is here so that there is no padding that a later field could take.
    pub reserved: i32,
}

// SAFETY: repr(C), struct_size first, numbers only.
unsafe impl Growing for cosmoe_router_config {
    const NAME: &'static str = "cosmoe_router_config";
    const FIRST_SIZE: usize = 80;
}

/// How assignments become rows of the expert-major buffer. Fill it with cosmoe_plan_config_init, then change
/// what differs.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_plan_config {
    /// sizeof(cosmoe_plan_config).
    pub struct_size: usize,
    /// E, 1 or more.
    pub num_experts: i64,
    /// Each expert's segment is padded up to a multiple of so many rows; 1, no padding, by default.
    pub align: i64,
    /// A cosmoe_capacity; unlimited by default.
    pub capacity: i32,
    /// A cosmoe_drop_policy; by position by default.
    pub drop_policy: i32,
    /// Assignments per expert, with COSMOE_CAPACITY_PER_EXPERT; 0 drops everything.
    pub capacity_per_expert: i64,
    /// Finite, 0 or more, with COSMOE_CAPACITY_FACTOR.
    pub capacity_factor: f64,
    /// The first expert that gets rows: those of this rank. Ids outside the window count as invalid.
    pub window_begin: i64,
    /// One past the last expert that gets rows; 0, by default, is E.
    pub window_end: i64,
}

// SAFETY: repr(C), struct_size first, numbers only.
unsafe impl Growing for cosmoe_plan_config {
    const NAME: &'static str = "cosmoe_plan_config";
    const FIRST_SIZE: usize = 64;
}

/// Fills a configuration of any content with defaults. struct_size is sizeof(cosmoe_router_config).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_router_config_init(
    config: *mut cosmoe_router_config,
    struct_size: usize,
    num_experts: i64,
    top_k: i64,
) -> cosmoe_status {
    let defaults = cosmoe_router_config {
        struct_size,
        num_experts,
        top_k,
        score: cosmoe_score::COSMOE_SCORE_PERTURBED_COSINE as i32,
        tau_token: 0.0,
        tau_expert: 1e-3,
        scale: 1.0,
        gate: cosmoe_gate::COSMOE_GATE_SOFTMAX_SELECTED as i32,
        renormalize: 0,
        bias_placement: cosmoe_bias_placement::COSMOE_BIAS_IN_SCORE as i32,
        group_score: cosmoe_group_score::COSMOE_GROUP_SUM_OF_TOP_TWO as i32,
        num_groups: 0,
        top_groups: 0,
        route_scale: 1.0,
        reserved: 0,
    };
    // SAFETY: as the interface asks of its callers.
    guard(|| unsafe { growing::initialise("config", config, defaults, struct_size) })
}

/// Fills a configuration of any content with defaults. struct_size is sizeof(cosmoe_plan_config).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_plan_config_init(
    config: *mut cosmoe_plan_config,
    struct_size: usize,
    num_experts: i64,
) -> cosmoe_status {
    let defaults = cosmoe_plan_config {
        struct_size,
        num_experts,
        align: 1,
        capacity: cosmoe_capacity::COSMOE_CAPACITY_UNLIMITED as i32,
        drop_policy: cosmoe_drop_policy::COSMOE_DROP_BY_POSITION as i32,
        capacity_per_expert: 0,
        capacity_factor: 0.0,
        window_begin: 0,
        window_end: 0,
    };
    // SAFETY: as the interface asks of its callers.
    guard(|| unsafe { growing::initialise("config", config, defaults, struct_size) })
}

/// The length of assignment_of_row for `[tokens, top_k]` ids, and the most rows that the expert-major buffer
/// can need: T*K + min(E, T*K) * (align - 1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_plan_max_rows(
    config: *const cosmoe_plan_config,
    tokens: i64,
    top_k: i64,
    out: *mut i64,
) -> cosmoe_status {
    guard(|| {
        if out.is_null() || !out.is_aligned() {
            return Err(Failure::invalid("out", "where to put an int64_t", format!("{out:p}")));
        }
        // SAFETY: as the interface asks of its callers.
        let config = unsafe { plan("config", config) }?;
        let rows = config.max_rows(size("tokens", tokens)?, size("top_k", top_k)?)?;
        // At most i32::MAX.
        // SAFETY: as above, and aligned.
        unsafe { out.write(rows as i64) };
        Ok(())
    })
}

/// A number of things.
pub(crate) fn size(argument: &'static str, value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Failure::invalid(argument, "at least 0", value))
}

/// # Safety
/// `config` is NULL, or readable for the bytes that it says it has.
pub(crate) unsafe fn router(config: *const cosmoe_router_config) -> Result<RouterConfig> {
    // SAFETY: as the caller vouches.
    let from = unsafe { growing::read("config", config) }?;
    if from.reserved != 0 {
        return Err(Failure::invalid("config.reserved", "0", from.reserved));
    }
    let experts = size("num_experts", from.num_experts)?;
    let mut builder = RouterConfig::builder(experts, size("top_k", from.top_k)?)
        .score(score(&from)?)
        .scale(from.scale)
        .gate(gate(&from)?)
        .bias_placement(bias_placement(from.bias_placement)?)
        .route_scale(from.route_scale);
    let (count, top) = (size("num_groups", from.num_groups)?, size("top_groups", from.top_groups)?);
    let group_score = group_score(from.group_score)?;
    if count > 0 {
        builder = builder.groups(count, top, group_score);
    } else if top > 0 {
        return Err(Failure::invalid("top_groups", "0 without groups", top));
    }
    Ok(builder.build()?)
}

/// # Safety
/// `config` is NULL, or readable for the bytes that it says it has.
pub(crate) unsafe fn plan(
    argument: &'static str,
    config: *const cosmoe_plan_config,
) -> Result<PlanConfig> {
    // SAFETY: as the caller vouches.
    let from = unsafe { growing::read(argument, config) }?;
    let experts = size("num_experts", from.num_experts)?;
    let (begin, end) =
        (size("window_begin", from.window_begin)?, size("window_end", from.window_end)?);
    let window = begin..if end == 0 { experts } else { end };
    let builder = PlanConfig::builder(experts)
        .align(size("align", from.align)?)
        .capacity(capacity(&from)?)
        .drop_policy(drop_policy(from.drop_policy)?)
        .expert_window(window);
    Ok(builder.build()?)
}

fn score(config: &cosmoe_router_config) -> Result<Score> {
    use cosmoe_score::*;
    let (tau_token, tau_expert) = (config.tau_token, config.tau_expert);
    chosen(
        "score",
        config.score,
        &[
            (
                COSMOE_SCORE_PERTURBED_COSINE as i32,
                Score::PerturbedCosine { tau_token, tau_expert },
            ),
            (COSMOE_SCORE_COSINE as i32, Score::Cosine),
            (COSMOE_SCORE_LINEAR as i32, Score::Linear),
            (COSMOE_SCORE_LAPLACE as i32, Score::Laplace),
        ],
    )
}

fn gate(config: &cosmoe_router_config) -> Result<Gate> {
    use cosmoe_gate::*;
    let renormalize = config.renormalize != 0;
    chosen(
        "gate",
        config.gate,
        &[
            (COSMOE_GATE_SOFTMAX_SELECTED as i32, Gate::SoftmaxSelected),
            (COSMOE_GATE_SOFTMAX_ALL as i32, Gate::SoftmaxAll { renormalize }),
            (COSMOE_GATE_SIGMOID as i32, Gate::Sigmoid { renormalize }),
            (COSMOE_GATE_SQRT_SOFTPLUS as i32, Gate::SqrtSoftplus { renormalize }),
            (COSMOE_GATE_IDENTITY as i32, Gate::Identity),
        ],
    )
}

fn bias_placement(value: i32) -> Result<BiasPlacement> {
    use cosmoe_bias_placement::*;
    chosen(
        "bias_placement",
        value,
        &[
            (COSMOE_BIAS_IN_SCORE as i32, BiasPlacement::InScore),
            (COSMOE_BIAS_AFTER_SELECTION as i32, BiasPlacement::AfterSelection),
            (COSMOE_BIAS_SELECTION_ONLY as i32, BiasPlacement::SelectionOnly),
        ],
    )
}

fn group_score(value: i32) -> Result<GroupScore> {
    use cosmoe_group_score::*;
    chosen(
        "group_score",
        value,
        &[
            (COSMOE_GROUP_SUM_OF_TOP_TWO as i32, GroupScore::SumOfTopTwo),
            (COSMOE_GROUP_MAX as i32, GroupScore::Max),
        ],
    )
}

fn capacity(config: &cosmoe_plan_config) -> Result<Capacity> {
    use cosmoe_capacity::*;
    let per_expert = size("capacity_per_expert", config.capacity_per_expert)?;
    chosen(
        "capacity",
        config.capacity,
        &[
            (COSMOE_CAPACITY_UNLIMITED as i32, Capacity::Unlimited),
            (COSMOE_CAPACITY_PER_EXPERT as i32, Capacity::PerExpert(per_expert)),
            (COSMOE_CAPACITY_FACTOR as i32, Capacity::Factor(config.capacity_factor)),
        ],
    )
}

fn drop_policy(value: i32) -> Result<DropPolicy> {
    use cosmoe_drop_policy::*;
    chosen(
        "drop_policy",
        value,
        &[
            (COSMOE_DROP_BY_POSITION as i32, DropPolicy::Position),
            (COSMOE_DROP_BY_WEIGHT as i32, DropPolicy::Weight),
        ],
    )
}

/// The choice of that number. C may put any number into an enum, so all of them arrive as ints.
fn chosen<T: Copy>(argument: &'static str, number: i32, choices: &[(i32, T)]) -> Result<T> {
    let found = choices.iter().find(|(known, _)| *known == number);
    found.map(|&(_, choice)| choice).ok_or_else(|| {
        let expected = format!("0 to {} of its enum", choices.len() - 1);
        Failure::invalid(argument, expected, number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_librarys() {
        // SAFETY: zeros are valid, and are overwritten.
        let mut config: cosmoe_router_config = unsafe { std::mem::zeroed() };
        let status =
            // SAFETY: the struct has its size.
            unsafe { cosmoe_router_config_init(&raw mut config, size_of_val(&config), 8, 2) };
        assert_eq!(status, cosmoe_status::COSMOE_OK);
        // SAFETY: as above.
        let built = unsafe { router(&raw const config) }.unwrap();
        assert_eq!(built, RouterConfig::builder(8, 2).build().unwrap());
        // SAFETY: zeros are valid, and are overwritten.
        let mut config: cosmoe_plan_config = unsafe { std::mem::zeroed() };
        let status =
            // SAFETY: the struct has its size.
            unsafe { cosmoe_plan_config_init(&raw mut config, size_of_val(&config), 8) };
        assert_eq!(status, cosmoe_status::COSMOE_OK);
        // SAFETY: as above.
        let built = unsafe { plan("config", &raw const config) }.unwrap();
        assert_eq!(built, PlanConfig::builder(8).expert_window(0..8).build().unwrap());
    }

    #[test]
    fn every_choice_is_the_one_of_its_name() {
        use cosmoe_bias_placement::*;
        use cosmoe_capacity::*;
        use cosmoe_drop_policy::*;
        use cosmoe_gate::*;
        use cosmoe_group_score::*;
        use cosmoe_score::*;

        let of = |change: &dyn Fn(&mut cosmoe_router_config)| {
            let mut config = std::mem::MaybeUninit::<cosmoe_router_config>::uninit();
            // SAFETY: there is room for the struct, which the call fills.
            unsafe {
                let size = size_of::<cosmoe_router_config>();
                cosmoe_router_config_init(config.as_mut_ptr(), size, 8, 2);
                let mut config = config.assume_init();
                change(&mut config);
                router(&raw const config).unwrap()
            }
        };
        let builder = || RouterConfig::builder(8, 2);
        let perturbed = Score::PerturbedCosine { tau_token: 0.0, tau_expert: 1e-3 };
        for (number, score) in [
            (COSMOE_SCORE_PERTURBED_COSINE, perturbed),
            (COSMOE_SCORE_COSINE, Score::Cosine),
            (COSMOE_SCORE_LINEAR, Score::Linear),
            (COSMOE_SCORE_LAPLACE, Score::Laplace),
        ] {
            let expected = builder().score(score).build().unwrap();
            assert_eq!(of(&|c| c.score = number as i32), expected);
        }
        for renormalize in [false, true] {
            for (number, gate) in [
                (COSMOE_GATE_SOFTMAX_SELECTED, Gate::SoftmaxSelected),
                (COSMOE_GATE_SOFTMAX_ALL, Gate::SoftmaxAll { renormalize }),
                (COSMOE_GATE_SIGMOID, Gate::Sigmoid { renormalize }),
                (COSMOE_GATE_SQRT_SOFTPLUS, Gate::SqrtSoftplus { renormalize }),
                (COSMOE_GATE_IDENTITY, Gate::Identity),
            ] {
                let found = of(&|c| (c.gate, c.renormalize) = (number as i32, renormalize.into()));
                assert_eq!(found, builder().gate(gate).build().unwrap());
            }
        }
        for (number, placement) in [
            (COSMOE_BIAS_IN_SCORE, BiasPlacement::InScore),
            (COSMOE_BIAS_AFTER_SELECTION, BiasPlacement::AfterSelection),
            (COSMOE_BIAS_SELECTION_ONLY, BiasPlacement::SelectionOnly),
        ] {
            let expected = builder().bias_placement(placement).build().unwrap();
            assert_eq!(of(&|c| c.bias_placement = number as i32), expected);
        }
        for (number, score) in [
            (COSMOE_GROUP_SUM_OF_TOP_TWO, GroupScore::SumOfTopTwo),
            (COSMOE_GROUP_MAX, GroupScore::Max),
        ] {
            let found = of(&|c| {
                (c.num_groups, c.top_groups, c.group_score) = (4, 2, number as i32);
            });
            assert_eq!(found, builder().groups(4, 2, score).build().unwrap());
        }
        for (number, capacity) in [
            (COSMOE_CAPACITY_UNLIMITED, Capacity::Unlimited),
            (COSMOE_CAPACITY_PER_EXPERT, Capacity::PerExpert(3)),
            (COSMOE_CAPACITY_FACTOR, Capacity::Factor(1.5)),
        ] {
            for (policy, drops) in [
                (COSMOE_DROP_BY_POSITION, DropPolicy::Position),
                (COSMOE_DROP_BY_WEIGHT, DropPolicy::Weight),
            ] {
                let config = cosmoe_plan_config {
                    struct_size: size_of::<cosmoe_plan_config>(),
                    num_experts: 8,
                    align: 4,
                    capacity: number as i32,
                    drop_policy: policy as i32,
                    capacity_per_expert: 3,
                    capacity_factor: 1.5,
                    window_begin: 1,
                    window_end: 7,
                };
                let expected = PlanConfig::builder(8).align(4).capacity(capacity);
                let expected = expected.drop_policy(drops).expert_window(1..7).build().unwrap();
                // SAFETY: the struct has its size.
                assert_eq!(unsafe { plan("config", &raw const config) }.unwrap(), expected);
            }
        }
    }

    #[test]
    fn first_sizes_are_those_of_today() {
        // Until the first struct grows: then its own stays, and this test is for the others.
        assert_eq!(size_of::<cosmoe_router_config>(), cosmoe_router_config::FIRST_SIZE);
        assert_eq!(size_of::<cosmoe_plan_config>(), cosmoe_plan_config::FIRST_SIZE);
    }
}
