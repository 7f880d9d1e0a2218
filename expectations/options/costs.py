"""What a release spec may say of the check `costs`."""

from pydantic import Field

from expectations.parts import Part


class Costs(Part):
    """Limits of what errors and predictions may cost. What an error costs stands in `cost`, prices in `compression`."""

    per_record: float | None = Field(default=None, description="Errors, on average, in the unit of cost")
    tail: float | None = Field(default=None, description="The worst 1 % of records, on average, in the unit of cost")
    cpu_s_per_million: float | None = Field(default=None, gt=0, description="Of a million predictions, one by one")
    kwh_per_million: float | None = Field(default=None, gt=0)
    money_per_million: float | None = Field(default=None, gt=0, description="In compression.currency")
