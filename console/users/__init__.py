"""People: their list, what each may, inviting and taking them away."""
