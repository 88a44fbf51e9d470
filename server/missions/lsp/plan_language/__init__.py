"""The language of plans and of what missions leave: diagnostics, actions, navigation and explanations in editors.

:mod:`registration` is light and is all that is loaded before ``initialize``; everything else comes with the session.
"""
