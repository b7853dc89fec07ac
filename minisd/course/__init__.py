"""The course's exercises: what the notebooks call, and what a grader may.

| call                     | what it does                                                     |
|--------------------------|------------------------------------------------------------------|
| `exercises()`            | all exercises by id, "01.softmax" the first                      |
| `judge(id, mine)`        | the verdict on an answer: status, mistake, message; silent       |
| `check(id, mine)`        | prints it, keeps what passed, returns what the notebook goes on  |
|                          | with: the learner's own where it is right, else the package's    |
| `predict(id, choice)`    | answers a prediction; without a choice, asks it                  |
| `report(json=PATH)`      | exercises, points, what is left; the same as JSON                |

What passed is kept in the folder `my_minisd` beside the notebook, or in $MINISD_HOME. Answers run
in this process: judge only those of people whom you trust with it.
"""

from .cells import check, predict, report  # noqa: F401
from .judge import judge  # noqa: F401
from .registry import exercises  # noqa: F401
