"""Goal by goal, strictly in order: construct, improve, solve exactly, prove."""
