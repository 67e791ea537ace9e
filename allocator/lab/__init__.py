"""The planner's laboratory: a plan made by hand, two runs side by side, scenarios, and what room is worth."""
