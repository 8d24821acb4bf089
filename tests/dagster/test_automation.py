"""When marts are built by themselves."""

import dagster as dg
import pytest

from minilab_dagster.automation import define_once, follow_upstream

HOURS = dg.HourlyPartitionsDefinition(start_date="2026-01-01-00:00", end_offset=1)
ONE, OTHER = dg.AssetKey(["raw", "one"]), dg.AssetKey(["raw", "other"])
STAGED, VIEW, MART = dg.AssetKey("staged"), dg.AssetKey("view"), dg.AssetKey("mart")


@dg.asset(key=ONE, partitions_def=HOURS)
def one() -> None: ...


@dg.asset(key=OTHER, partitions_def=HOURS)
def other() -> None: ...


@dg.multi_asset(
    specs=[
        dg.AssetSpec(STAGED, deps=[ONE, OTHER], automation_condition=follow_upstream()),
        dg.AssetSpec(
            VIEW,
            deps=[STAGED],
            is_virtual=True,
            code_version="1",
            automation_condition=define_once(),
        ),
        dg.AssetSpec(MART, deps=[VIEW], automation_condition=follow_upstream()),
    ],
    can_subset=True,
)
def dbt(context: dg.AssetExecutionContext):
    for key in (STAGED, VIEW, MART):
        if key in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=key)


def _guard(asset: dg.AssetKey) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="guard", blocking=True)
    def guard() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    return guard


DEFINITIONS = dg.Definitions([one, other, dbt], asset_checks=[_guard(ONE), _guard(OTHER)])


class World:
    """An instance, and the automation's cursor through it."""

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self._cursor = None

    def tick(self) -> set[dg.AssetKey]:
        """What the next tick asks for."""
        result = dg.evaluate_automation_conditions(
            DEFINITIONS, instance=self.instance, cursor=self._cursor
        )
        self._cursor = result.cursor
        return {key for key in (STAGED, VIEW, MART) if result.get_num_requested(key)}

    def land(
        self, key: dg.AssetKey, hour: str = "2026-01-01-00:00", *, guard_passes: bool = True
    ) -> None:
        report = self.instance.report_runless_asset_event
        report(dg.AssetMaterialization(key, partition=hour))
        report(dg.AssetCheckEvaluation(asset_key=key, check_name="guard", passed=guard_passes))

    def build(self, *keys: dg.AssetKey) -> None:
        job = DEFINITIONS.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(asset_selection=list(keys), instance=self.instance)
        assert result.success


@pytest.fixture
def world() -> World:
    fresh = World()
    assert fresh.tick() == set()
    return fresh


def test_nothing_is_built_before_anything_is_landed(world: World) -> None:
    assert world.tick() == set()


def test_the_first_landing_builds_everything_in_one_go(world: World) -> None:
    world.land(ONE)  # the other stream never brought anything, and its check never ran
    assert world.tick() == {STAGED, VIEW, MART}
    assert world.tick() == set(), "asked twice for one landing"


def test_a_later_landing_builds_the_tables_but_not_the_view(world: World) -> None:
    world.land(ONE)
    world.build(STAGED, VIEW, MART)
    while world.tick():
        pass
    world.land(OTHER)
    assert world.tick() == {STAGED, MART}


def test_an_old_hour_landed_again_counts_too(world: World) -> None:
    world.land(ONE, "2026-01-01-05:00")
    world.build(STAGED, VIEW, MART)
    while world.tick():
        pass
    world.land(ONE, "2026-01-01-02:00")
    assert STAGED in world.tick()


def test_what_is_landed_during_a_build_is_built_afterwards(world: World) -> None:
    world.land(ONE)
    world.build(STAGED, VIEW, MART)
    while world.tick():
        pass
    world.land(ONE)
    assert STAGED in world.tick()
    with _under_way(world.instance, STAGED, MART) as finish:
        world.land(OTHER)
        assert world.tick() == set(), "a second build was asked for while one is under way"
        finish()
    assert STAGED in world.tick(), "what came during the build was forgotten"


def test_nothing_is_built_on_what_failed_a_blocking_check(world: World) -> None:
    world.land(ONE, guard_passes=False)
    assert STAGED not in world.tick()
    world.land(ONE, guard_passes=True)
    assert STAGED in world.tick()


def test_a_check_that_has_yet_to_run_holds_back_what_is_built_on_it(world: World) -> None:
    world.instance.report_runless_asset_event(
        dg.AssetMaterialization(ONE, partition="2026-01-01-00:00")
    )
    assert STAGED not in world.tick()


class _under_way:
    """A build of some assets that has been started and not finished."""

    def __init__(self, instance: dg.DagsterInstance, *keys: dg.AssetKey) -> None:
        self._instance, self._keys = instance, keys

    def __enter__(self):
        job = DEFINITIONS.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=set(self._keys)
        )
        self._run = self._instance.create_run_for_job(
            job, asset_selection=frozenset(self._keys), status=dg.DagsterRunStatus.STARTED
        )
        return self._finish

    def _finish(self) -> None:
        self._instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, self._run.job_name),
            self._run.run_id,
        )

    def __exit__(self, *_: object) -> None:
        pass
