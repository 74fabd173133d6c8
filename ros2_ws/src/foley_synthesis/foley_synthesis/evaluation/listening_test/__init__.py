"""The real-or-fake study of Visually Indicated Sounds (section 6.2): which of two videos has its own sound?"""
