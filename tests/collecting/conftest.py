"""Failed assertions in the module that these tests share are explained like their own."""

import pytest

pytest.register_assert_rewrite("observing")
