-- Run once, when the database volume is created.
CREATE DATABASE mlflow;
CREATE DATABASE prefect;
