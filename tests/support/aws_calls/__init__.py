"""Records every AWS call of a program and of all Python programs that it starts.

    python -m tests.support.aws_calls run FOLDER -m pytest -n 2
    python -m tests.support.aws_calls show FOLDER [--permissions]
    python -m tests.support.aws_calls platform FOLDER

The first records, whatever would stand after ``python``; the second says which part of the platform
called what, or which IAM permissions that needs; the third records the tests and the main job that
roles are held against (``scenario``, ``compare``, tests/infra/test_roles.py).

The programs recorded know nothing of it: botocore is watched from outside (``record``), and child
processes are recorded because ``sys.executable`` names a script that starts them so (``launch``).
Nothing is installed and no variable is set.
"""
