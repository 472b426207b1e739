"""The paper's claims, run and judged one by one."""
