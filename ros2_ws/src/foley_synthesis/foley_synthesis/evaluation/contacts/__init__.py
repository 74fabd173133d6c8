"""What contacts are heard to say of things whose material is known, and what that makes the next contact worth."""
