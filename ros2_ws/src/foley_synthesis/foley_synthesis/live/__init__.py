"""What the live nodes do, without the middleware: messages become these plain types in `ros/`, and back."""
