"""The `seatrial` command. Heavy libraries are imported only by the commands that need them."""

import click

from flows import (
    decision_commands,
    enrol_command,
    graph_command,
    identity_commands,
    keeping_commands,
    monitor_command,
    release_commands,
    report_command,
    serving_commands,
    settings,
    store_commands,
    tier_commands,
    traffic_commands,
    up_command,
    work_command,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="seatrial", prog_name="seatrial")
def main() -> None:
    """Takes a trained scikit-learn model into production, or says, with evidence, why not.

    Exit codes: 0 done or waiting, 1 a gate or a person said no, 2 the question could not be asked.

    Example: seatrial release examples/ames/release.yaml --store ./store
    """
    settings.set_defaults()


identity_commands.identity.add_command(enrol_command.enrol)
for command in (
    release_commands.init,
    release_commands.check,
    release_commands.release,
    serving_commands.serve,
    decision_commands.approve,
    decision_commands.reject,
    decision_commands.take_in,
    identity_commands.identity,
    identity_commands.suite,
    traffic_commands.rollout,
    traffic_commands.promote,
    traffic_commands.rollback,
    traffic_commands.mode,
    traffic_commands.go_ahead,
    work_command.work,
    monitor_command.monitor,
    monitor_command.end_alarm,
    report_command.report,
    up_command.up,
    store_commands.status,
    store_commands.history,
    graph_command.graph,
    store_commands.verify,
    keeping_commands.gc,
    keeping_commands.dossier,
    keeping_commands.export_release,
    keeping_commands.import_release,
    release_commands.schema,
    tier_commands.tiers,
):
    main.add_command(command)


if __name__ == "__main__":
    main(prog_name="seatrial")
