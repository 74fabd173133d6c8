"""VIS as the paper has it and as it was mended, with plans that are on time and plans that are not."""
